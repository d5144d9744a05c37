"""vLLM behind the application of a service when processes are killed, closed or not started: `make test-vllm`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from datajob.errors import InvalidJob
from tests.support.serving import PATIENCE
from tests.support.vllm_services import ask_client, engine_of, served_by_vllm, until

pytest.importorskip("vllm", reason="needs vLLM, in an environment of its own: make test-vllm")

SERVICE = """
apiVersion: datajob.io/v1alpha1
kind: ModelService
metadata: {{name: tiny}}
spec:
  model: {{textGeneration: {{model: "{model}", engine: vllm, maxNewTokens: 4000}}}}
  auth: {{anonymous: true}}
"""


def test_a_killed_process_of_vllm_ends_all_requests_and_the_health(llama: Path) -> None:
    from openai import APIError, InternalServerError

    with served_by_vllm(textGeneration={"model": str(llama), "engine": "vllm", "maxNewTokens": 4000}) as found:
        streams = [ask_client(found, "for", stream=True) for _ in range(3)]
        for stream in streams:
            next(stream)
        with ThreadPoolExecutor(3) as pool:
            waiting = [pool.submit(ask_client, found, "for") for _ in range(3)]
            until(lambda: engine_of(found).get_num_unfinished_requests() == 6)
            (process,) = engine_of(found).engine_core.resources.engine_manager.processes
            os.kill(process.pid, signal.SIGKILL)
            for stream in streams:
                with pytest.raises(APIError) as ended:
                    list(stream)
                assert ended.value.code == "model_failed"
            for future in waiting:
                error = future.exception(PATIENCE)
                assert isinstance(error, InternalServerError) and error.code == "model_failed"
        assert found.get("/healthz")[0] == 503
        with pytest.raises(InternalServerError) as refused:
            ask_client(found, "a")
        assert refused.value.code == "model_failed"
        until(lambda: found.service.admission.in_progress == 0)


def test_closing_ends_open_answers_and_the_processes(llama: Path) -> None:
    from openai import APIError

    with served_by_vllm(textGeneration={"model": str(llama), "engine": "vllm", "maxNewTokens": 4000}) as found:
        stream = ask_client(found, "for", stream=True)
        next(stream)
        (process,) = engine_of(found).engine_core.resources.engine_manager.processes
        assert found.service.engine is not None
        found.service.engine.close()
        with pytest.raises(APIError) as ended:
            list(stream)
        assert ended.value.code == "model_failed"
        until(lambda: not process.is_alive())
        assert found.get("/healthz")[0] == 503


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended, also if its parent has not waited for it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def command(llama: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process, Any]]:
    """`datajob serve` in a separate process group, its process of vLLM, and a stream of an answer."""
    from openai import OpenAI

    file = tmp_path / "model.yaml"
    file.write_text(SERVICE.format(model=llama))
    arguments = [sys.executable, "-m", "datajob.cli", "serve", str(file), "--port", "0"]
    server = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0)
    assert server.stdout is not None
    try:
        port = next(int(found[1]) for line in server.stdout if (found := re.search(r":(\d+)/v1", line)))
        below = psutil.Process(server.pid).children(recursive=True)
        (process,) = [each for each in below if "EngineCore" in " ".join([each.name(), *each.cmdline()])]
        client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="-", max_retries=0, timeout=PATIENCE)
        stream = client.completions.create(model="tiny", prompt="for", stream=True, max_tokens=300)
        next(stream)
        yield server, process, stream
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_ctrl_c_completes_open_answers(command: tuple[subprocess.Popen[str], psutil.Process, Any]) -> None:
    server, process, stream = command
    os.killpg(server.pid, signal.SIGINT)  # a terminal sends it to all processes
    assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "length"
    assert server.wait(PATIENCE) == 0
    until(lambda: has_ended(process))


def test_processes_of_vllm_end_with_a_killed_server(command: tuple[subprocess.Popen[str], psutil.Process, Any]) -> None:
    server, process, _ = command
    server.kill()
    until(lambda: has_ended(process))


def test_the_command_ends_if_a_process_of_vllm_is_killed(command: tuple[subprocess.Popen[str], psutil.Process, Any]) -> None:
    from openai import APIError

    server, process, stream = command
    process.kill()
    with pytest.raises(APIError, match="The model has stopped"):
        list(stream)
    assert server.wait(PATIENCE) == 1
    assert server.stdout is not None and "The model has stopped" in server.stdout.read()


BROKEN = {
    "weights": "vLLM cannot load the model .*: .*[Ss]afetensor",
    "memory": "does not fit into the memory of the device",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_model_that_vllm_cannot_load_is_an_error_of_one_sentence(
    case: str, llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = llama
    if case == "weights":
        model = shutil.copytree(llama, tmp_path / "broken")
        (model / "model.safetensors").write_bytes(b"nothing")
    else:
        monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1000000")
    with (
        pytest.raises(InvalidJob, match=BROKEN[case]) as caught,
        served_by_vllm(textGeneration={"model": str(model), "engine": "vllm"}),
    ):
        pass
    assert "\n" not in str(caught.value)
