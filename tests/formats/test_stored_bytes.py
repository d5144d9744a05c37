"""Files are read and written byte by byte, whatever their names are.

Streams of pyarrow decompress or compress files with names such as `image.png.gz` by default, with no regard to the content.
"""

import ast
import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import datajob
from datajob.formats.folder import Folder
from datajob.operators.files import local_copy, read_file
from datajob.operators.media.image import load

STREAMS = ("open_input_stream", "open_output_stream", "open_append_stream")
READERS: dict[str, Callable[[Path], bytes]] = {
    "files of parameters": lambda path: read_file(str(path)),
    "copies of files": lambda path: Path(local_copy(str(path))).read_bytes(),
    "images": lambda path: bytes(load(str(path), None)),
    "files of results": lambda path: Folder(str(path.parent)).read(path.name),
}


def test_no_stream_is_opened_without_a_decision_about_its_compression() -> None:
    package = Path(datajob.__file__).parent
    calls = [
        (f"{path.relative_to(package)}:{node.lineno}", [keyword.arg for keyword in node.keywords])
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in STREAMS
    ]
    assert len(calls) >= 5, "the search finds the calls"
    assert not [place for place, keywords in calls if "compression" not in keywords]


@pytest.mark.parametrize("extension", ["", "gz", "bz2", "lz4", "zst", "br"])
@pytest.mark.parametrize("reader", READERS)
def test_names_of_compressed_files_do_not_change_what_is_read(reader: str, extension: str, tmp_path: Path) -> None:
    for number, content in enumerate((b"\x89PNG\r\n", gzip.compress(b"not an image"), b"a")):
        path = tmp_path / f"{number}.{extension}"
        path.write_bytes(content)
        assert READERS[reader](path) == content


@pytest.mark.parametrize("extension", ["gz", "bz2", "lz4", "zst", "br"])
def test_names_of_compressed_files_do_not_change_what_is_written(extension: str, tmp_path: Path) -> None:
    Folder(str(tmp_path)).write(f"a.{extension}", b"first ", pa.py_buffer(b"second"))
    assert (tmp_path / f"a.{extension}").read_bytes() == b"first second"
