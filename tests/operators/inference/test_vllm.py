"""The engine vLLM on the CPU, on the tiny models, against the engine transformers: `make test-vllm` (own environment)."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Request, RequestError
from datajob.operators.inference.embed import Embed
from datajob.operators.inference.llava import Llava
from datajob.operators.inference.text_generation import TextGeneration
from datajob.operators.inference.vision_language import VisionLanguage
from tests.operators.inference.conftest import Ask
from tests.support.crashing_images import CRASH, CrashingDecoding
from tests.support.models.photos import jpeg, make_photos

pytest.importorskip("vllm", reason="needs vLLM, in an environment of its own: make test-vllm")

COUNT = 16
TOKENS = 12
CPU = Device("cpu", 1)
JOB = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: captions}}
spec:
  sources: [{{images: {{paths: ["{folder}/photos"]}}}}]
  steps:
  - llava: {{model: "{model}", engine: vllm, maxNewTokens: {tokens}, batchRows: 4}}
  - compute: {{columns: {{path: image.path}}}}
  - drop: {{columns: [image]}}
  sink: {{parquet: {{path: "{folder}/out"}}}}
"""


def step(model: Path, engine: str = "vllm", **more: Any) -> Llava:
    return Llava(model=str(model), engine=engine, max_new_tokens=TOKENS, **more)


def column(rows: list[dict[str, Any]], name: str = "caption") -> list[Any]:
    return [row[name] for row in rows]


@pytest.fixture(scope="module")
def photos() -> list[dict[str, Any]]:
    return [{"image": jpeg(i)} for i in range(COUNT)]


@pytest.fixture(scope="module")
def expected(tiny: Path, ask: Ask, photos: list[dict[str, Any]]) -> list[str]:
    """What the engine transformers says of each photo."""
    found, failed = ask(step(tiny, "transformers"), photos)
    assert not failed
    return column(found)


@pytest.fixture
def engine(tiny: Path) -> Iterator[Any]:
    """An engine of one test's own."""
    engine: Any = step(tiny).setup(CPU)
    yield engine
    engine.close()


def test_texts_are_those_of_transformers(tiny: Path, ask: Ask, photos: list[dict[str, Any]], expected: list[str]) -> None:
    model = step(tiny, tokens_column="tokens", finish_reason_column="why", seconds_column="seconds")
    found, failed = ask(model, photos)
    assert not failed
    assert column(found) == expected
    assert len(set(expected)) > COUNT // 2, "the model should say something else of most photos"
    assert set(column(found, "tokens")) == {TOKENS} and set(column(found, "why")) == {"length"}
    assert min(column(found, "seconds")) > 0


def test_several_images_and_a_system_prompt_give_the_texts_of_transformers(tiny: Path, ask: Ask) -> None:
    rows = [{"images": [jpeg(j) for j in range(i, i + 1 + i % 3)], "what": f"thing {i}"} for i in range(6)]
    both = [
        ask(
            VisionLanguage(
                model=str(tiny), engine=engine, image="images", prompt="find {what}", system="Be brief.", max_new_tokens=TOKENS
            ),
            rows,
        )
        for engine in ("vllm", "transformers")
    ]
    assert both[0] == both[1]
    assert not both[0][1]


def test_a_system_prompt_and_the_image_both_reach_the_model(tiny: Path, ask: Ask, engine: Any) -> None:
    """Ray's own vLLM stage lost the images of messages whose system prompt was a plain string (ray#56125)."""
    rows = [{"image": jpeg(i)} for i in range(4)]
    plain, brief, long = (column(ask(step(tiny, system=s), rows)[0]) for s in (None, "Be brief.", "Be long."))
    assert len(set(brief)) > 1, "the image decides"
    assert plain != brief != long, "so does the system prompt"
    read = engine.prompts.render(Request("what?", step(tiny, system="Be brief.").options(), (jpeg(0),)))
    assert "Be brief." in engine._tokenizer.decode(read["prompt_token_ids"])
    assert len(read["mm_placeholders"]["image"]) == 1


def test_texts_of_mixed_length_are_answered_as_by_transformers(llama: Path, ask: Ask) -> None:
    rows = [{"text": t} for t in ("a", "the quick brown fox", "statements and expressions " * 20, "狐狸", "x")]
    both = [
        ask(TextGeneration(model=str(llama), engine=engine, prompt="go on: {text}", max_new_tokens=10), rows)
        for engine in ("vllm", "transformers")
    ]
    assert both[0] == both[1]
    assert not both[0][1] and len(set(column(both[0][0], "answer"))) == len(rows)


@pytest.mark.parametrize("chat", [True, False])
def test_tokens_of_the_prompt_are_those_of_transformers_with_one_first_token(beginning: Path, chat: bool) -> None:
    from datajob.operators.inference._engines.generating import Generator

    asked = Request("<image>\nwhat?" if not chat else "what?", step(beginning, chat_template=chat).options(), (jpeg(0),))
    ours: Any = step(beginning).setup(CPU)
    read = list(ours.prompts.render(asked)["prompt_token_ids"])
    ours.close()
    inputs, _ = Generator(step(beginning, "transformers").settings(), CPU).prepare([asked])
    assert read == inputs["input_ids"][0].tolist()
    assert read.count(ours._tokenizer.bos_token_id) == 1


def test_invalid_rows_fail_individually_with_a_reason(tiny: Path, ask: Ask, expected: list[str]) -> None:
    rows: list[dict[str, Any]] = [{"image": jpeg(i), "ask": "描述这张图片的内容"} for i in range(7)]
    rows[1]["image"] = jpeg(1)[:200]
    rows[2]["ask"] = "word " * 9000
    rows[3]["ask"] = " "
    rows[4]["ask"] = "what is <image>?"
    rows[5]["image"] = [jpeg(i) for i in range(3)] * 100
    many = [{**row, "image": row["image"] if isinstance(row["image"], list) else [row["image"]]} for row in rows]
    many[5]["ask"] = "which is best?"
    found, failed = ask(step(tiny, prompt="{ask}"), many)
    assert sorted(failed) == [1, 2, 3, 4, 5]
    assert "cannot be decoded" in failed[1]
    assert "but the model supports 8192" in failed[2] and "but the model supports 8192" in failed[5]
    assert failed[3] == "the prompt is empty" and "2 placeholders for images" in failed[4]
    assert [column(found)[i] for i in (0, 6)] == [expected[i] for i in (0, 6)]


def test_an_image_that_crashes_its_decoder_costs_only_its_row(
    tiny: Path, ask: Ask, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datajob.operators.media.image._Decoding", CrashingDecoding)
    found, failed = ask(step(tiny), [{"image": jpeg(n) + (CRASH if n == 1 else b"")} for n in range(3)])
    assert {row: reason.split(":")[0] for row, reason in failed.items()} == {1: "decoderCrashed"}
    assert [column(found)[n] for n in (0, 2)] == [expected[n] for n in (0, 2)]


def test_sampled_answers_depend_on_the_seed_and_are_reproducible(tiny: Path, ask: Ask, photos: list[dict[str, Any]]) -> None:
    how = {"temperature": 1.5, "top_p": 0.9, "top_k": 100}
    first, again, other = (column(ask(step(tiny, seed=seed, **how), photos)[0]) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_closing_fails_queued_requests_and_frees_the_device(tiny: Path, expected: list[str]) -> None:
    engine: Any = step(tiny, batch_rows=1).setup(CPU)
    options = Llava(model=str(tiny), max_new_tokens=4000).options()
    futures = engine.submit([Request("describe", options, (jpeg(i),)) for i in range(40)])
    engine.close()
    assert any(isinstance(f.exception(60), RuntimeError) and "was closed" in str(f.exception()) for f in futures)
    assert all(f.done() for f in futures) and not any(t.is_alive() for t in engine._threads)
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit([Request("describe", options, (jpeg(0),))])
    other: Any = step(tiny, batch_rows=1).setup(CPU)
    (future,) = other.submit([Request("描述这张图片的内容", step(tiny).options(), (jpeg(0),))])
    assert future.result(60).text == expected[0]
    other.close()


def test_an_error_of_vllm_fails_all_waiting_requests(engine: Any, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("the device is lost")

    monkeypatch.setattr(engine._engine, "step", broken)
    futures = engine.submit([Request("describe", step(tiny).options(), (jpeg(i),)) for i in range(3)])
    for future in futures:
        error = future.exception(60)
        assert not isinstance(error, RequestError) and "the device is lost" in str(error)


def test_limits_and_type_of_the_weights_reach_vllm(tiny: Path) -> None:
    engine: Any = step(tiny, batch_rows=3, batch_tokens=9000, dtype="bfloat16").setup(CPU)
    scheduler = engine._engine.vllm_config.scheduler_config
    assert (scheduler.max_num_seqs, scheduler.max_num_batched_tokens) == (3, 9000)
    assert str(engine._engine.model_config.dtype) == "torch.bfloat16"
    assert engine._engine.vllm_config.parallel_config.tensor_parallel_size == 1
    assert f"{tiny} at local, bfloat16 on cpu" in engine.description
    engine.close()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "quantization": ({"quantization": "int4"}, "`quantization: int4` requires the engine transformers"),
    "attention": ({"attention": "sdpa"}, "`attention: sdpa` requires the engine transformers"),
    "a static cache": ({"static_cache": True}, "`staticCache` requires the engine transformers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_vllm_would_ignore_are_rejected(tiny: Path, case: str) -> None:
    parameters, reason = REFUSED[case]
    with pytest.raises(InvalidJob, match=reason):
        step(tiny, **parameters).setup(CPU)


def test_embeddings_and_another_kind_of_device_are_rejected(tiny: Path, llama: Path) -> None:
    with pytest.raises(InvalidJob, match="`embed` does not support vLLM"):
        Embed(model=str(llama), column="text", engine="vllm").setup(CPU)
    with pytest.raises(InvalidJob, match="placed on a GPU"):
        step(tiny).setup(Device("gpu", 1))


def test_a_cache_that_exceeds_memory_is_an_error_of_one_sentence(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1000000")
    with pytest.raises(InvalidJob, match="does not fit into the memory of the device together with") as caught:
        step(tiny, batch_rows=2).setup(CPU)
    assert "\n" not in str(caught.value)


def test_a_model_that_vllm_cannot_load_is_an_error_of_one_sentence(tiny: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(tiny, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(InvalidJob, match="vLLM cannot load the model") as caught:
        step(broken).setup(CPU)
    assert "\n" not in str(caught.value)


def test_without_an_accelerator_auto_is_transformers(tiny: Path) -> None:
    engine = step(tiny, "auto").setup(CPU)
    assert engine.description.startswith("transformers ")
    engine.close()


@pytest.mark.ray
@pytest.mark.timeout(900)  # two actors import vLLM, behind whatever else the machine does
def test_a_job_runs_on_vllm_and_its_report_says_so(tiny: Path, tmp_path: Path, expected: list[str]) -> None:
    import pyarrow.parquet as pq

    make_photos(tmp_path / "photos", COUNT)
    job = tmp_path / "job.yaml"
    job.write_text(JOB.format(folder=tmp_path, model=tiny, tokens=TOKENS))
    done = subprocess.run([sys.executable, "-m", "datajob.cli", "run", str(job)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [row for part in (tmp_path / "out").glob("*.parquet") for row in pq.read_table(part).to_pylist()]
    assert [row["caption"] for row in sorted(rows, key=lambda row: row["path"])] == expected
    workers = json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text())["workers"]
    assert workers and all("vllm" in json.dumps(worker) for worker in workers)


def test_a_missing_library_is_named(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "libnuma.so.1").touch()  # found before the system's, and no library
    script = (
        "from datajob.operators.base import Device; from datajob.operators.inference.llava import Llava\n"
        f"Llava(model={str(tiny)!r}, engine='vllm').setup(Device('cpu', 1))"
    )
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=200)
    assert "InvalidJob: The installed vllm cannot be used:" in done.stderr
    assert "libnuma.so.1" in done.stderr.splitlines()[-1]
