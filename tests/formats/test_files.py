"""Files as rows: any files, and images by their header; and images as files."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from datajob.errors import InvalidJob, plain
from datajob.formats import binary_files
from datajob.formats.audio import AudioWriter
from datajob.formats.binary_files import BinaryFilesReader
from datajob.formats.images import ImagesReader, ImagesWriter
from datajob.media.values import media_type
from tests.support.rows import Bad, read, write


def encoded(form: str, mode: str = "RGB") -> bytes:
    data = io.BytesIO()
    Image.new(mode, (5, 7)).save(data, form)
    return data.getvalue()


def test_any_file_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "lang=de").mkdir()
    (tmp_path / "lang=de" / "a.bin").write_bytes(b"\x00\xff")
    (tmp_path / "lang=de" / "empty").touch()
    assert read(BinaryFilesReader(paths=(str(tmp_path),))).to_pylist() == [
        {"path": f"{tmp_path}/lang=de/a.bin", "bytes": b"\x00\xff", "size": 2, "lang": "de"},
        {"path": f"{tmp_path}/lang=de/empty", "bytes": b"", "size": 0, "lang": "de"},
    ]


def test_a_file_too_large_for_a_value_is_a_bad_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binary_files, "MAX_BYTES", 3)
    (tmp_path / "a").write_bytes(b"1234")
    bad = Bad()
    assert read(BinaryFilesReader(paths=(str(tmp_path),)), bad).num_rows == 0
    assert bad.reasons == [f"{tmp_path}/a: larger than 2 GiB, the maximum size of a value"]


@pytest.mark.parametrize(
    ("form", "mode", "ending"),
    [("JPEG", "L", "jpg"), ("PNG", "RGBA", "png"), ("WEBP", "RGB", "webp"), ("GIF", "P", "gif"), ("TIFF", "RGB", "tiff")],
)
def test_the_header_of_an_image_is_read(tmp_path: Path, form: str, mode: str, ending: str) -> None:
    data = encoded(form, mode)
    (tmp_path / f"a.{ending}").write_bytes(data)
    (row,) = read(ImagesReader(paths=(str(tmp_path),))).to_pylist()
    facts = {"width": 5, "height": 7, "format": form, "mode": mode, "frames": 1}
    assert row == {"image": {"bytes": data, "path": f"{tmp_path}/a.{ending}"}, **facts}
    (row,) = read(ImagesReader(paths=(str(tmp_path),), load="reference")).to_pylist()
    assert row == {"image": {"bytes": None, "path": f"{tmp_path}/a.{ending}"}, **facts}


@pytest.mark.parametrize("data", [b"", b"text", encoded("PNG")[:20], b"\x89PNG\r\n\x1a\n" + b"\xff" * 50])
def test_a_file_that_is_not_an_image_is_a_bad_record(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    (tmp_path / "b.png").write_bytes(encoded("PNG"))
    bad = Bad()
    assert read(ImagesReader(paths=(str(tmp_path),)), bad).num_rows == 1
    path, reason, _ = plain(bad.reasons[0]).split(": ", 2)
    assert path == f"{tmp_path}/a.png" and reason in ("empty", "notAnImage", "damaged", "truncated")
    assert "BytesIO" not in bad.reasons[0]


def test_a_decompression_bomb_is_a_bad_record(tmp_path: Path) -> None:
    bomb = bytearray(encoded("PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(bomb)
    bad = Bad()
    assert read(ImagesReader(paths=(str(tmp_path),)), bad).num_rows == 0
    assert "decompression bomb" in bad.reasons[0]


TABLE = pa.table(
    {
        "image": [encoded("PNG"), encoded("JPEG"), None, b"odd"],
        "caption": ["红", "b", None, "d"],
        "name": ["x/a b.png", "a b", "q", None],
    }
)


def test_images_become_files_beside_their_metadata(tmp_path: Path) -> None:
    files = write(ImagesWriter(path=str(tmp_path), image="image"), TABLE, TABLE.slice(0, 1))
    names = ["00000000.png", "00000001.jpg", "00000003.bin", "00000004.png", "metadata.jsonl"]
    assert [(file.path, file.rows) for file in files] == [(f"00000/{n}", 5 if n == "metadata.jsonl" else 0) for n in names]
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [file.path for file in files]
    assert (tmp_path / "00000" / "00000001.jpg").read_bytes() == encoded("JPEG")
    rows = [json.loads(line) for line in (tmp_path / "00000" / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == ["00000000.png", "00000001.jpg", None, "00000003.bin", "00000004.png"]
    assert rows[0] == {"file_name": "00000000.png", "caption": "红", "name": "x/a b.png"}
    assert read(ImagesReader(paths=(str(tmp_path),))).num_rows == 3


def test_images_are_named_by_a_column_but_never_twice(tmp_path: Path) -> None:
    files = write(ImagesWriter(path=str(tmp_path), image="image", name="name"), TABLE)
    assert [file.path for file in files] == [
        f"00000/{n}" for n in ("00000003.bin", "a_b-00000001.jpg", "a_b.png", "metadata.jsonl")
    ]


def test_a_name_like_one_that_was_made_unique_does_not_replace_an_image(tmp_path: Path) -> None:
    images = [encoded("PNG"), encoded("PNG") + b"2", encoded("PNG") + b"3"]
    write(ImagesWriter(path=str(tmp_path), image="i", name="n"), pa.table({"i": images, "n": ["a", "a", "a-00000001"]}))
    written = [json.loads(line)["file_name"] for line in (tmp_path / "00000" / "metadata.jsonl").read_text().splitlines()]
    assert [(tmp_path / "00000" / name).read_bytes() for name in written] == images


def test_audio_becomes_files_with_the_extension_of_their_format_and_distinct_names(tmp_path: Path) -> None:
    wav, flac, m4a = b"RIFF\0\0\0\0WAVE", b"fLaC", b"\0\0\0\x20ftypM4A "
    table = pa.table({"audio": [wav, flac, None, m4a, b"?"], "n": ["a.wav", "b/a.MP3", "x", "..", "a"]})
    files = write(AudioWriter(path=str(tmp_path), name="n"), table)
    names = ["00000003.m4a", "a-00000001.flac", "a-00000004.bin", "a.wav", "metadata.jsonl"]
    assert [file.path for file in files] == [f"00000/{name}" for name in names]
    rows = [json.loads(line) for line in (tmp_path / "00000" / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == ["a.wav", "a-00000001.flac", None, "00000003.m4a", "a-00000004.bin"]
    with pytest.raises(InvalidJob, match=r"sink.audio: column n is string, not encoded audio"):
        write(AudioWriter(path=str(tmp_path), audio="n"), table)


def test_a_column_named_like_that_of_the_metadata_is_refused(tmp_path: Path) -> None:
    table = pa.table({"i": [encoded("PNG")], "file_name": ["mine"]})
    with pytest.raises(InvalidJob, match=r"metadata.jsonl contains a column file_name; `rename` or `drop`"):
        write(ImagesWriter(path=str(tmp_path), image="i"), table)
    write(ImagesWriter(path=str(tmp_path), image="i", name="file_name"), table)


@pytest.mark.parametrize(
    ("columns", "parameters", "written"),
    [
        (["image"], {}, "image"),
        (["bytes"], {}, "bytes"),
        (["image", "bytes"], {}, "bytes"),
        (["image", "bytes"], {"image": "image"}, "image"),
        (["image"], {"image": "bytes"}, None),
        (["picture"], {}, None),
    ],
)
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), media_type()])
def test_the_column_of_images_is_bytes_or_else_image_by_default(
    tmp_path: Path, columns: list[str], parameters: dict[str, str], written: str | None, kind: pa.DataType
) -> None:
    data = {name: name.encode() for name in columns}
    values = {name: [{"bytes": one, "path": None} if kind == media_type() else one] for name, one in data.items()}
    table = pa.table({name: pa.array(one, kind) for name, one in values.items()})
    if written is None:
        with pytest.raises(InvalidJob, match="no column bytes"):
            write(ImagesWriter(path=str(tmp_path), **parameters), table)
    else:
        write(ImagesWriter(path=str(tmp_path), **parameters), table)
        assert (tmp_path / "00000" / "00000000.bin").read_bytes() == data[written]


def test_an_aborted_shard_of_images_leaves_nothing(tmp_path: Path) -> None:
    shard = ImagesWriter(path=str(tmp_path), image="image").open(str(tmp_path), "0", TABLE.schema)
    shard.write(TABLE)
    shard.abort()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image": "imag"}, "no column imag; did you mean image"),
        ({"image": "caption"}, "column caption is string, not encoded images"),
        ({"image": "image", "name": "nam"}, "no column nam; did you mean name"),
        ({"image": "image", "partition_by": ("caption",)}, "partitionBy"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path: Path, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidJob, match=message):
        write(ImagesWriter(path=str(tmp_path), **parameters), TABLE)
