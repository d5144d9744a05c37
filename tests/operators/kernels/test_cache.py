"""Kernels are compiled once, at image build: they load quickly afterwards, also where nothing can be written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import datajob

ROOT = Path(datajob.__file__).parent.parent
KERNELS = ROOT / "datajob" / "operators" / "kernels"
USE = """
import sys
import pyarrow as pa
from datajob.operators.base import Batch
from datajob.operators.text.gopher_quality import GopherQuality
assert "numba" not in sys.modules, "importing an operator must not import numba"
print(GopherQuality().keep(Batch(pa.table({"text": ["a short text"]}))).codes.tolist())
from datajob.operators.kernels import jit
print(jit.cache_folder())
"""


def use(**environment: str) -> list[str]:
    """Run a rule in a process of its own; the lines that it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", USE], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_second_process_compiles_nothing(tmp_path):
    use(DATAJOB_KERNEL_CACHE=str(tmp_path))
    compiled = sorted(path.stat().st_mtime_ns for path in tmp_path.iterdir())
    codes, folder = use(DATAJOB_KERNEL_CACHE=str(tmp_path))
    assert (codes, folder) == ("[1]", str(tmp_path))
    assert compiled == sorted(path.stat().st_mtime_ns for path in tmp_path.iterdir())


@pytest.mark.slow
def test_without_a_place_to_write_it_compiles_in_memory(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be: nothing can be written below it, not even by root")
    codes, _ = use(DATAJOB_KERNEL_CACHE=str(blocked / "cache"))
    assert codes == "[1]"


@pytest.mark.slow
def test_an_index_that_names_a_class_of_another_version_is_replaced(tmp_path):
    use(DATAJOB_KERNEL_CACHE=str(tmp_path))
    former = {
        p: p.read_bytes().replace(b"datajob.operators.kernels.arrays", b"datajob.operators.kernels.former")
        for p in tmp_path.glob("*.nbi")
    }
    assert any(b"kernels.former" in data for data in former.values())
    for path, data in former.items():
        path.write_bytes(data)
    codes, _ = use(DATAJOB_KERNEL_CACHE=str(tmp_path))
    assert codes == "[1]"
    assert not any(b"kernels.former" in index.read_bytes() for index in tmp_path.glob("*.nbi"))


def test_the_cache_beside_the_sources_is_used_when_it_is_warm_even_if_it_cannot_be_written(monkeypatch, tmp_path):
    from datajob.operators.kernels import jit

    package = tmp_path / "kernels"
    (package / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(jit, "__file__", str(package / "jit.py"))
    monkeypatch.setattr(jit, "_can_write", lambda _: False)
    monkeypatch.delenv(jit.CACHE_FOLDER, raising=False)
    assert jit.cache_folder.__wrapped__().endswith(f"datajob-kernels-{os.getuid()}")
    (package / "__pycache__" / "words.nbi").touch()
    assert jit.cache_folder.__wrapped__() == str(package / "__pycache__")


def test_a_changed_callee_makes_the_caller_stale(monkeypatch, tmp_path):
    from datajob.operators.kernels import jit

    shutil.copytree(KERNELS.parent, tmp_path / "operators", ignore=shutil.ignore_patterns("__pycache__"))
    package = tmp_path / "operators" / "kernels"
    monkeypatch.setattr(jit, "__file__", str(package / "jit.py"))
    before = {name: jit._stamp.__wrapped__(str(package / name)) for name in ("gopher.py", "hashtable.py")}
    with (package / "utf8.py").open("a") as file:
        file.write("# changed\n")
    after = {name: jit._stamp.__wrapped__(str(package / name)) for name in ("gopher.py", "hashtable.py")}
    assert before["gopher.py"] != after["gopher.py"]
    assert before["hashtable.py"] == after["hashtable.py"]
