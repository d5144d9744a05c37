"""Compressed files: what is damaged gives what comes before, and what is called wrongly is named."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats.base import Reader
from datajob.formats.csv import CsvReader
from datajob.formats.json import JsonReader
from datajob.formats.text import TextReader
from tests.support.rows import Bad

ROWS = 20_000


def zipped(data: bytes, *names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("data",):
            archive.writestr(name, data)
    return stream.getvalue()


def by_arrow(codec: str) -> object:
    return lambda data: pa.compress(data, codec, asbytes=True) if codec != "lz4" else _lz4(data)


def _lz4(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": by_arrow("zstd"),
    ".lz4": by_arrow("lz4"),
    ".zip": zipped,
}
CONTENT = {
    CsvReader: (".csv", b"id,t\n" + b"".join(b'%d,"text %d"\n' % (i, i * i) for i in range(ROWS))),
    JsonReader: (".jsonl", b"".join(b'{"id":%d,"t":"text %d"}\n' % (i, i * i) for i in range(ROWS))),
    TextReader: (".txt", b"".join(b"text %d\n" % (i * i) for i in range(ROWS))),
}


def rows_before_error(reader: Reader) -> tuple[int, str]:
    """How many rows are read, and the error behind them."""
    files = reader.files()
    rows = 0
    bad = Bad()
    try:
        schema = reader.schema(files)
        for file in files:
            for fragment in reader.fragments(file, 1 << 30):
                for table in reader.read(fragment, schema, 1 << 20, bad):
                    rows += table.num_rows
    except InputError as error:
        assert bad.records == []
        return rows, str(error)
    assert bad.records == []
    return rows, ""


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("reader", CONTENT)
def test_every_compression_is_found_in_a_folder_and_read(tmp_path: Path, reader: type[Reader], ending: str) -> None:
    suffix, data = CONTENT[reader]
    (tmp_path / f"x{suffix}{ending}").write_bytes(COMPRESS[ending](data))
    assert rows_before_error(reader(paths=(str(tmp_path),))) == (ROWS, "")


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize("reader", CONTENT)
def test_a_file_cut_short_gives_its_rows_up_to_the_damage(tmp_path: Path, reader: type[Reader], ending: str) -> None:
    suffix, data = CONTENT[reader]
    packed = COMPRESS[ending](data)
    path = tmp_path / f"x{suffix}{ending}"
    path.write_bytes(packed[: len(packed) * 9 // 10])
    rows, error = rows_before_error(reader(paths=(str(path),)))
    least = 0 if ending in (".bz2", ".zst") else ROWS * 7 // 10  # these have blocks as large as the file
    assert least <= rows < ROWS
    assert f"{path}: cannot be read" in error and "truncated" in error


def test_exactly_the_lines_before_the_end_of_a_truncated_gzip_are_read(tmp_path: Path) -> None:
    packed = gzip.compress(CONTENT[TextReader][1])[:-5000]
    import zlib

    expected = zlib.decompressobj(31).decompress(packed)
    path = tmp_path / "x.txt.gz"
    path.write_bytes(packed)
    rows, _ = rows_before_error(TextReader(paths=(str(path),)))
    assert rows == expected.count(b"\n")


def test_a_damaged_checksum_fails_the_file_but_not_its_rows(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(CONTENT[TextReader][1]))
    packed[-6] ^= 1
    path = tmp_path / "x.txt.gz"
    path.write_bytes(packed)
    rows, error = rows_before_error(TextReader(paths=(str(path),)))
    assert rows > ROWS // 2
    assert "corrupt" in error


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("reader", CONTENT)
def test_a_compressed_file_without_the_ending_is_named_as_such(tmp_path: Path, reader: type[Reader], ending: str) -> None:
    suffix, data = CONTENT[reader]
    (tmp_path / f"x{suffix}").write_bytes(COMPRESS[ending](data))
    _, error = rows_before_error(reader(paths=(str(tmp_path),)))
    assert f"x{suffix}: the content is compressed with " in error
    assert f"but the name does not end in {ending}; rename the file" in error


@pytest.mark.parametrize("reader", CONTENT)
def test_a_file_that_is_not_compressed_as_its_name_says_is_refused(tmp_path: Path, reader: type[Reader]) -> None:
    suffix, data = CONTENT[reader]
    path = tmp_path / f"x{suffix}.gz"
    path.write_bytes(lzma.compress(data))
    _, error = rows_before_error(reader(paths=(str(path),)))
    assert "its extension does not match its compression" in error


def test_an_archive_of_several_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv.zip").write_bytes(zipped(b"a\n1\n", "a.csv", "b.csv"))
    with pytest.raises(InputError, match="the archive contains 2 files instead of one; extract it"):
        CsvReader(paths=(str(tmp_path),)).schema(CsvReader(paths=(str(tmp_path),)).files())


def test_an_array_cut_short_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(json.dumps([{"id": i} for i in range(ROWS)]).encode())[:-3000])
    with pytest.raises(InputError):
        JsonReader(paths=(str(path),)).schema(JsonReader(paths=(str(path),)).files())


def test_a_whole_text_is_not_taken_from_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt.gz"
    path.write_bytes(gzip.compress(CONTENT[TextReader][1])[:-3000])
    assert rows_before_error(TextReader(paths=(str(path),), mode="file"))[0] == 0


@pytest.mark.parametrize("ending", COMPRESS)
def test_no_truncation_goes_unnoticed(tmp_path: Path, ending: str) -> None:
    first, second = (COMPRESS[ending](b"".join(b'{"id":%d}\n' % i for i in rows)) for rows in (range(3), range(3, 6)))
    whole = first if ending == ".zip" else first + second
    path = tmp_path / f"a.jsonl{ending}"
    for size in range(1, len(whole) + 1):
        path.write_bytes(whole[:size])
        rows, error = rows_before_error(JsonReader(paths=(str(path),)))
        if size not in (len(first), len(whole)):
            assert error, (size, rows)
        else:
            assert (rows, error) == (3 if whole[:size] == first else 6, "")


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("garbage", [b"x", b"garbage" * 10, b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"])
def test_data_after_the_end_that_is_not_compressed_is_an_error(tmp_path: Path, ending: str, garbage: bytes) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(COMPRESS[ending](b'{"id":1}\n') + garbage)
    rows, error = rows_before_error(JsonReader(paths=(str(path),)))
    assert error or (ending == ".zip" and rows == 1)  # the directory of a zip file says where its content is


@pytest.mark.parametrize("zeros", [1, 4, 1 << 20])
def test_zeros_after_an_xz_stream_are_skipped(tmp_path: Path, zeros: int) -> None:
    path = tmp_path / "a.jsonl.xz"
    path.write_bytes(lzma.compress(b'{"id":1}\n') + b"\0" * zeros + lzma.compress(b'{"id":2}\n') + b"\0" * zeros)
    assert rows_before_error(JsonReader(paths=(str(path),))) == (2, "")


@pytest.mark.parametrize("ending", COMPRESS)
def test_a_file_of_no_bytes_has_no_rows(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(b"")
    assert rows_before_error(JsonReader(paths=(str(path),))) == (0, "")


@pytest.mark.parametrize("names", [[], ["folder/"], ["__MACOSX/x"]])
def test_a_zip_file_without_files_is_an_error(tmp_path: Path, names: list[str]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    path = tmp_path / "a.jsonl.zip"
    path.write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="the archive contains no file; delete it, or create it again"):
        JsonReader(paths=(str(path),)).schema(JsonReader(paths=(str(path),)).files())
