"""Requirements for each file in manifests/samples."""

import re
from pathlib import Path

import pytest

from tests.samples.conftest import ROOT, SAMPLES
from tests.support.console import DataJobCommand

NAMES = sorted(path.name for path in SAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_valid_and_has_a_plan(name: str, datajob: DataJobCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    path = f"manifests/samples/{name}"
    assert datajob("validate", path).code == 0
    assert datajob("run", "--dry-run", path).code == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_run_by_a_test(name: str) -> None:
    call = re.compile(rf'sample\(\s*"{re.escape(name)}"')
    found = [path for path in (ROOT / "tests").rglob("test_*.py") if call.search(path.read_text(encoding="utf-8"))]
    assert found, f'no test runs it: write one that calls sample("{name}"), as tests/samples/test_recipes.py does'


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_begins_with_a_description(name: str) -> None:
    assert re.match(r"# \w.{20,}", (SAMPLES / name).read_text(encoding="utf-8"))


def test_the_inputs_of_a_sample_in_the_repository_exist() -> None:
    texts = "\n".join((SAMPLES / name).read_text(encoding="utf-8") for name in NAMES)
    for path in sorted(set(re.findall(r"manifests/samples/data/[\w.-]+", texts))):
        assert Path(ROOT, path).exists(), path
