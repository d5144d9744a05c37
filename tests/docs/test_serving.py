"""The page on online inference: its service runs, its clients are answered, and its tables are complete."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from datajob.serving.metrics import PREFIX, SERIES
from datajob.serving.openai.fields import _HARMLESS, IGNORED
from tests.support.pages import blocks, read
from tests.support.pictures import photo_bytes
from tests.support.ports import free_port
from tests.support.serving import PATIENCE

PAGE = "docs/serving.md"
FILES = {block.file: block.text for block in blocks(PAGE, "yaml", "python") if block.file}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The service of the page with the engine that repeats words, run by the command of the page."""
    file = tmp_path_factory.mktemp("service") / "model.yaml"
    file.write_text(FILES["model.yaml"])
    port = free_port()
    command = [sys.executable, "-m", "datajob.cli", "serve", str(file), "--port", str(port)]
    process = subprocess.Popen([*command, "--set", "spec.model.visionLanguage.engine=fake"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any(f"http://127.0.0.1:{port}/v1" in line for line in process.stderr)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def run(command: list[str], folder: Path, port: int) -> str:
    """What a command prints whose service listens on another port."""
    command = [part.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for part in command]
    environment = {**os.environ, "API_KEY": "any"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_official_client_is_answered(port: int, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo_bytes("china"))
    first, second = run([sys.executable, "-c", FILES["client.py"]], tmp_path, port).splitlines()
    assert re.fullmatch(r"Describe the image\. [0-9a-f]{8} \d+", first) and second == "Hello"


@pytest.mark.slow
def test_curl_is_answered(port: int, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (command,) = [block.text for block in blocks(PAGE, "shell") if block.text.startswith("curl")]
    assert '"content":"Hello"' in run(["bash", "-c", command], tmp_path, port)


def test_the_tables_list_all_metrics_and_fields() -> None:
    text = read(PAGE)
    for series in SERIES:
        labels = f" ({', '.join(f'`{label}`' for label in series.labels)})" if series.labels else ""
        assert f"| `{PREFIX}{series.name}`{labels} | {series.description} |" in text
    missing = [name for name in (*IGNORED, *_HARMLESS) if f"`{name}`" not in text]
    assert not missing


def codes(source: str) -> Iterator[str]:
    """The codes of the errors that a module creates."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("ApiError", "invalid"):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            given += node.args[2:3] if node.func.id == "invalid" else []
            yield from (str(value.value) for value in given if isinstance(value, ast.Constant) and value.value)


def test_every_code_of_the_application_is_in_the_table_of_errors() -> None:
    folder = Path(__file__).parents[2] / "workloads/datajob/serving"
    found = {code for file in folder.rglob("*.py") for code in codes(file.read_text(encoding="utf-8"))}
    assert len(found) > 20
    assert not [code for code in found if f"`{code}`" not in read(PAGE)]
