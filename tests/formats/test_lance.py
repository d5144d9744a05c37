"""The source and the sink `lance`: versions, deleted rows, blobs, features that are not supported, and damaged tables."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("lance")

import lance
from lance.blob import Blob, blob_array, blob_field

from datajob.errors import InputError, InvalidJob, StorageUnavailable
from datajob.formats._embedding import embedded
from datajob.formats.lance import LanceReader, LanceWriter
from tests.support.rows import Bad, read

BLOB = {"lance-encoding:blob": "true"}


def numbers(folder: Path, versions: int = 1, size: int = 10, **options: Any) -> Path:
    for version in range(versions):
        rows = pa.table({"id": range(version * size, (version + 1) * size)})
        lance.write_dataset(rows, folder, mode="append" if version else "create", **options)
    return folder


def ids(reader: LanceReader, target: int = 64 << 20) -> list[int]:
    found: list[int] = read(reader, target=target).column("id").to_pylist()
    return found


def test_a_version_a_tag_and_a_time_choose_what_is_read(tmp_path: Path) -> None:
    table = lance.dataset(numbers(tmp_path, versions=3))
    table.tags.create("second", 2)
    times = [version["timestamp"].astimezone() for version in table.versions()]
    for number, at in enumerate(times, start=1):
        for choice in ({"version": number}, {"timestamp": at}):
            assert ids(LanceReader(path=str(tmp_path), **choice)) == list(range(10 * number))
    assert ids(LanceReader(path=str(tmp_path), tag="second")) == list(range(20))
    assert ids(LanceReader(path=str(tmp_path))) == list(range(30))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"columns": ["idd"]}, "has no column idd; did you mean id"),
        ({"include_path": "id"}, "already has a column id"),
        ({"version": 7}, "has no version 7; it has 1 to 1"),
        ({"tag": "best"}, "has no tag best"),
        ({"timestamp": dt.datetime(2001, 1, 1, tzinfo=dt.UTC)}, "has no version at 2001"),
    ],
)
def test_parameters_that_the_table_does_not_allow_are_refused(parameters: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read(LanceReader(path=str(numbers(tmp_path)), **parameters))


def test_only_one_choice_of_the_version_is_allowed() -> None:
    with pytest.raises(ValueError, match="set one of `version`, `tag` and `timestamp`"):
        LanceReader(path="t", version=1, tag="a")


@pytest.mark.parametrize("data_format", ["legacy", "2.0", "2.1", "2.2"])
def test_deleted_rows_are_not_read(data_format: str, tmp_path: Path) -> None:
    """Also in ranges of rows, and not the fragments of which nothing is left."""
    table = lance.dataset(numbers(tmp_path, versions=3, size=100, data_storage_version=data_format))
    unchanged = {file.path: file.version for file in LanceReader(path=str(tmp_path)).files()}
    table.delete("id % 7 = 0 AND id >= 100 OR id >= 200")
    expected = [i for i in range(200) if not (i % 7 == 0 and i >= 100)]
    reader = LanceReader(path=str(tmp_path))
    assert ids(reader) == ids(reader, target=50) == expected
    files = reader.files()
    parts = [part for file in files for part in reader.fragments(file, 50)]
    assert len(parts) > 2 == len(files)
    assert sum(map(reader.count, parts)) == len(expected)
    assert [file.version == unchanged[file.path] for file in files] == [True, False]


def test_columns_that_were_added_renamed_or_removed_are_those_of_the_version(tmp_path: Path) -> None:
    table = lance.dataset(numbers(tmp_path))
    table.add_columns({"double": "id * 2"})
    table.alter_columns({"path": "double", "name": "twice", "data_type": pa.int32()})
    lance.write_dataset(pa.table({"id": [10], "twice": pa.array([20], pa.int32())}), tmp_path, mode="append")
    table.checkout_latest()
    table.add_columns(pa.schema([("text", pa.string())]))
    found = read(LanceReader(path=str(tmp_path), include_path="file"), target=20)
    assert found.schema.types == [pa.int64(), pa.int32(), pa.string(), pa.string()]
    assert found.drop_columns(["file"]).to_pylist() == [{"id": i, "twice": 2 * i, "text": None} for i in range(11)]
    assert len(set(found.column("file").to_pylist())) == 2
    assert read(LanceReader(path=str(tmp_path), columns=("text", "twice"))).column_names == ["text", "twice"]
    assert read(LanceReader(path=str(tmp_path), version=1)).column_names == ["id"]


def test_only_fragments_that_changed_have_another_version(tmp_path: Path) -> None:
    numbers(tmp_path, versions=2)
    before = {file.path: file.version for file in LanceReader(path=str(tmp_path)).files()}
    lance.write_dataset(pa.table({"id": [-1]}), tmp_path, mode="append")
    after = {file.path: file.version for file in LanceReader(path=str(tmp_path)).files()}
    assert before.items() < after.items()


def blobs_of_version_1(folder: Path) -> tuple[list[bytes | None], pa.Table]:
    values = [b"a" * 70, None, b"", b"c" * 5000]
    schema = pa.schema([("id", pa.int64()), pa.field("image", pa.large_binary(), metadata=BLOB)])
    return values, pa.table([pa.array(range(4)), pa.array(values, pa.large_binary())], schema=schema)


def blobs_of_version_2(folder: Path) -> tuple[list[bytes | None], pa.Table]:
    """Bytes in the data file, in a file for several values, in one of their own, and outside of the table."""
    (folder / "outside.bin").write_bytes(bytes(range(100)))
    uri = f"file://{folder}/outside.bin"
    values = [b"a" * 70, None, b"", b"c" * 70_000, b"d" * 70_001, b"e" * 5_000_000]
    stored = [*values, Blob.from_uri(uri), Blob.from_uri(uri, 7, 9)]
    values = [*values, bytes(range(100)), bytes(range(7, 16))]
    schema = pa.schema([("id", pa.int64()), blob_field("image")])
    return values, pa.table([pa.array(range(8)), blob_array(stored)], schema=schema)


@pytest.mark.parametrize(("make", "data_format"), [(blobs_of_version_1, "2.1"), (blobs_of_version_2, "2.2")])
def test_blobs_are_references_or_bytes(make: Any, data_format: str, tmp_path: Path) -> None:
    values, table = make(tmp_path)
    lance.write_dataset(table, tmp_path / "t", data_storage_version=data_format, allow_external_blob_outside_bases=True)
    for deleted in (False, True):
        if deleted:
            lance.dataset(tmp_path / "t").delete("id = 0")
            values = values[1:]
        found = read(LanceReader(path=str(tmp_path / "t")), target=100)
        media = found.column("image").to_pylist()
        assert all(one is None or (one["bytes"] is None) == bool(one["path"]) for one in media)
        (piece,) = embedded(found, ["image"])
        assert not piece.failed
        assert [one and one["bytes"] for one in piece.rows.column("image").to_pylist()] == values
        in_rows = read(LanceReader(path=str(tmp_path / "t"), blobs="bytes", columns=("image",)), target=100, batch_bytes=1)
        assert in_rows.column("image").to_pylist() == values
        assert in_rows.schema.field("image").type == pa.binary()


def test_blobs_in_other_types_are_read_only_as_bytes(tmp_path: Path) -> None:
    kind = pa.struct([pa.field("photo", pa.large_binary(), metadata=BLOB)])
    table = pa.table({"id": [1], "x": pa.array([{"photo": b"abc"}], kind)}, schema=pa.schema([("id", pa.int64()), ("x", kind)]))
    lance.write_dataset(table, tmp_path, data_storage_version="2.1")
    with pytest.raises(InputError, match="column x contains blobs within another type"):
        LanceReader(path=str(tmp_path)).files()
    assert ids(LanceReader(path=str(tmp_path), columns=("id",))) == [1]
    assert read(LanceReader(path=str(tmp_path), blobs="bytes")).column("x").to_pylist() == [{"photo": b"abc"}]


def test_types_that_only_lance_has_are_refused(tmp_path: Path) -> None:
    from lance.arrow import BFloat16Type

    floats = pa.ExtensionArray.from_storage(BFloat16Type(), pa.array([b"\xc0\x3f", None], pa.binary(2)))
    lance.write_dataset(pa.table({"id": [1, 2], "x": floats}), tmp_path)
    with pytest.raises(InputError, match=r"column x is .*bfloat16.*, which is not supported"):
        LanceReader(path=str(tmp_path)).files()
    assert ids(LanceReader(path=str(tmp_path), columns=("id",))) == [1, 2]


def test_a_value_that_its_type_does_not_allow_is_a_bad_record_or_an_error(tmp_path: Path) -> None:
    times = pa.array([1, 90_000, 2], pa.int32()).view(pa.time32("s"))
    lance.write_dataset(pa.table({"id": range(3), "time": times}), tmp_path / "times")
    bad = Bad()
    assert read(LanceReader(path=str(tmp_path / "times")), bad).column("id").to_pylist() == [0, 2]
    assert "row 1: column time: " in bad.reasons[0]
    texts = pa.array([b"a", b"\xff", b"b"]).view(pa.string())
    lance.write_dataset(pa.table({"text": texts}), tmp_path / "texts")
    with pytest.raises(InputError, match="invalid utf-8"):
        read(LanceReader(path=str(tmp_path / "texts")))


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    lance.dataset(numbers(tmp_path)).delete("true")
    reader = LanceReader(path=str(tmp_path))
    assert reader.files() == []
    assert reader.schema([]).names == ["id"]


@pytest.mark.parametrize("name", ["a b%20c", "ü#x", "a?b&c=d"])
def test_the_name_of_the_folder_can_have_any_character(name: str, tmp_path: Path) -> None:
    assert ids(LanceReader(path=str(numbers(tmp_path / name)))) == list(range(10))


def manifest(table: Path) -> Path:
    return min((table / "_versions").glob("*.manifest"))


def with_flags(data: bytes, flags: int) -> bytes:
    """A manifest in which a reader needs features that do not exist yet. In Protobuf, the last value of a field counts."""
    start = int.from_bytes(data[-16:-8], "little")
    size = int.from_bytes(data[start : start + 4], "little")
    message = data[start + 4 : start + 4 + size] + b"\x48" + flags.to_bytes(1, "little")
    return data[:start] + len(message).to_bytes(4, "little") + message + data[start + 4 + size :]


def test_unknown_features_are_refused(tmp_path: Path) -> None:
    path = manifest(numbers(tmp_path))
    path.write_bytes(with_flags(path.read_bytes(), 64))
    with pytest.raises(InputError, match=r"cannot be read by this version of Lance"):
        LanceReader(path=str(tmp_path)).files()


@pytest.mark.parametrize("damage", ["empty", "cut", "other"])
def test_a_damaged_manifest_is_an_error(damage: str, tmp_path: Path) -> None:
    path = manifest(numbers(tmp_path))
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": data[:-20], "other": b"x" * len(data)}[damage])
    with pytest.raises(InputError, match="cannot use the Lance table"):
        LanceReader(path=str(tmp_path)).files()


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_missing_or_damaged_data_file_is_an_error(damage: str, tmp_path: Path) -> None:
    numbers(tmp_path)
    reader = LanceReader(path=str(tmp_path))
    (file,) = reader.files()
    path = Path(file.path)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=path.name):
        read(reader)


def test_a_version_that_was_deleted_is_an_error(tmp_path: Path) -> None:
    numbers(tmp_path, versions=3)
    reader = LanceReader(path=str(tmp_path), version=1)
    files = reader.files()
    lance.dataset(tmp_path).optimize.compact_files()
    lance.dataset(tmp_path).cleanup_old_versions(older_than=dt.timedelta(0), delete_unverified=True)
    with pytest.raises(InputError, match="cleanup_old_versions"):
        read(LanceReader(path=str(tmp_path), version=1))
    with pytest.raises(InputError, match="cleanup_old_versions"):
        next(reader.read(reader.fragments(files[0], 1 << 20)[0], reader.schema(files), 1 << 20, Bad()))
    assert sorted(ids(LanceReader(path=str(tmp_path)))) == list(range(30))


def test_a_table_that_was_deleted_and_created_again_is_read(tmp_path: Path) -> None:
    assert ids(LanceReader(path=str(numbers(tmp_path / "t")))) == list(range(10))
    reader = LanceReader(path=str(tmp_path / "t"))
    (file,) = reader.files()
    shutil.rmtree(tmp_path / "t")
    lance.write_dataset(pa.table({"id": [-1]}), tmp_path / "t")
    assert ids(LanceReader(path=str(tmp_path / "t"))) == [-1]
    with pytest.raises(InputError, match="is not part of version 1"):
        reader.count(reader.fragments(file, 1 << 20)[0])


def test_missing_tables_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no"):
        with pytest.raises(InputError, match="is not a Lance table"):
            LanceReader(path=str(path)).files()


def test_an_unavailable_store_can_be_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        LanceReader(path="s3://bucket/table").files()


@pytest.mark.parametrize(
    "kind", [pa.month_day_nano_interval(), pa.run_end_encoded(pa.int32(), pa.string()), pa.struct([])], ids=str
)
def test_types_that_lance_does_not_have_are_refused(kind: pa.DataType) -> None:
    with pytest.raises(InvalidJob, match=r"column x is .*, which Lance tables cannot store"):
        LanceWriter(path="t").written_schema(pa.schema([("x", kind)]))


@pytest.mark.parametrize("name", ["a.b", "a`b", "", "_rowid"])
def test_names_that_lance_does_not_have_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidJob, match="does not support the name of column"):
        LanceWriter(path=str(tmp_path)).open(str(tmp_path), "part", pa.schema([(name, pa.int64())]))
