"""Storage: bookkeeping folders, files that appear atomically, and errors that say what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from datajob.errors import InputError, SinkError
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.folder import Folder
from datajob.formats.storage import join, resolve, scheme_of


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "f") if request.param == "local" else f"memory://{tmp_path.name}/f")


@pytest.mark.parametrize(
    ("path", "scheme"),
    [("/a/b", ""), ("a/b", ""), ("file:///a", ""), ("s3://b/k", "s3"), ("GS://b", "gs"), ("C:/x", ""), ("a://", "a")],
)
def test_the_scheme_of_a_path(path: str, scheme: str) -> None:
    assert scheme_of(path) == scheme


def test_a_local_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("x/y")[1] == f"{tmp_path}/x/y"
    assert resolve(f"file://{tmp_path}/z")[1] == f"{tmp_path}/z"


def test_an_unknown_scheme_is_named_in_the_error() -> None:
    with pytest.raises(InputError, match="nope://"):
        resolve("nope://x")


def test_a_folder_keeps_what_is_written(folder: Folder) -> None:
    folder.write("a/b.json", b"1")
    folder.write("a/b.json", b"22")
    folder.write("c.json", b"")
    assert folder.read("a/b.json") == b"22"
    assert folder.list() == {"c.json": 0}
    assert folder.list(recursive=True) == {"a/b.json": 2, "c.json": 0}
    assert folder.list("a") == {"a/b.json": 2}
    assert folder.exists("a/b.json")
    assert not folder.exists("a/x.json")
    with folder.open_input("a/b.json") as stream:
        assert stream.read() == b"22"


def test_a_folder_that_is_not_there_is_empty(folder: Folder) -> None:
    assert folder.list(recursive=True) == {}
    assert not folder.exists("x")
    folder.delete(["x"])
    folder.delete_tree("x")
    with pytest.raises(InputError, match=r"cannot read it: it does not exist"):
        folder.read("x")


def test_deleting_leaves_the_rest(folder: Folder) -> None:
    for name in ("a/1", "a/2", "b/1"):
        folder.write(name, b"x")
    folder.delete(["a/1", "never"])
    assert list(folder.list(recursive=True)) == ["a/2", "b/1"]
    folder.delete_tree("a")
    assert list(folder.list(recursive=True)) == ["b/1"]


def test_a_file_appears_at_the_commit_only(folder: Folder) -> None:
    file = AtomicFile(folder.path, "part/0.bin")
    file.stream.write(b"abc")
    assert not folder.exists("part/0.bin")
    file.commit()
    assert folder.read("part/0.bin") == b"abc"
    assert file.size == 3
    assert list(folder.list(recursive=True)) == ["part/0.bin"]


def test_an_aborted_file_leaves_nothing(folder: Folder) -> None:
    file = AtomicFile(folder.path, "part/0.bin")
    file.stream.write(b"abc")
    file.abort()
    file.abort()
    assert folder.list(recursive=True) == {}


def test_the_incomplete_file_of_a_killed_process_is_not_listed(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from datajob.formats.folder import Folder
Path.replace = lambda *_: os._exit(9)
Folder(sys.argv[1]).write("stage/a.json", b"1")
"""
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)]).returncode == 9
    assert len(list((tmp_path / "stage").iterdir())) == 1
    folder = Folder(str(tmp_path))
    folder.write("stage/b.json", b"2")
    assert folder.list("stage") == folder.list(recursive=True) == {"stage/b.json": 1}
    folder.delete_tree("stage")
    assert not (tmp_path / "stage").exists()


def test_a_file_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkError, match=r"file/a: cannot write it"):
        Folder(str(tmp_path / "file")).write("a", b"1")
    with pytest.raises(SinkError, match=r"file/a: cannot write it"):
        AtomicFile(str(tmp_path / "file"), "a")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(SinkError, match="the disk is full"):
            Folder(str(tmp_path)).write("big", bytes(1 << 20))
        assert Folder(str(tmp_path)).list(recursive=True) == {}
    finally:
        subprocess.run(["umount", tmp_path], check=True)


_AS_NOBODY = """
import os, sys
import pyarrow.fs
from datajob.formats.listing import list_inputs
from datajob.formats.folder import Folder
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for attempt in (lambda: Folder(sys.argv[1]).write("a", b"1"), lambda: list_inputs([sys.argv[1] + "/secret"], [])):
    try:
        attempt()
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_denied_permission_is_reported(tmp_path: Path) -> None:
    for parent in [tmp_path, *tmp_path.parents][:3]:
        parent.chmod(0o755)
    (tmp_path / "secret").mkdir(mode=0o700)
    (tmp_path / "secret" / "a.json").write_text("{}")
    tmp_path.chmod(0o555)
    if os.geteuid() != 0:
        (tmp_path / "secret").chmod(0)
    done = subprocess.run([sys.executable, "-c", _AS_NOBODY, tmp_path], capture_output=True, text=True, env=_importable())
    write, read = done.stdout.splitlines() or pytest.fail(done.stderr)
    assert write.startswith("SinkError") and "permission denied" in write
    assert read.startswith("InputError") and "permission denied" in read


def _importable() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


def test_names_are_joined_by_one_slash() -> None:
    assert join("s3://b/k/", "a", "b") == "s3://b/k/a/b"
    assert join("/", "a") == "/a"
