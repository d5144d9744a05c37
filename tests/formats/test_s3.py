"""The same over S3: a real server, multipart uploads, and errors that come soon and say what to do."""

import gc
import gzip
import io
import tarfile
import time
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InputError, SinkError, StorageUnavailable
from datajob.formats import _tar_read
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import Reader, Writer
from datajob.formats.csv import CsvReader, CsvWriter
from datajob.formats.folder import Folder
from datajob.formats.json import JsonReader, JsonWriter
from datajob.formats.listing import list_inputs
from datajob.formats.parquet import ParquetReader, ParquetWriter
from datajob.formats.webdataset import WebdatasetReader, WebdatasetWriter
from tests.support.rows import read, write
from tests.support.s3 import S3Server

pytestmark = pytest.mark.s3

TABLE = pa.table({"id": range(2000), "txt": [f"text {i} é " * 50 for i in range(2000)]})


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (ParquetWriter, ParquetReader),
        (JsonWriter, JsonReader),
        (CsvWriter, CsvReader),
    ],
)
def test_what_was_written_is_read(bucket: str, writer: type[Writer], reader: type[Reader]) -> None:
    files = write(writer(path=f"{bucket}/out", file_bytes=1 << 17), TABLE)
    source = reader(paths=(f"{bucket}/out/",))
    assert [file.path for file in source.files()] == [f"{bucket}/out/{file.path}" for file in files]
    assert [file.size for file in source.files()] == [file.size for file in files]
    assert read(source, target=100_000, batch_bytes=50_000).equals(TABLE)


def test_samples_are_written_and_read(bucket: str) -> None:
    write(WebdatasetWriter(path=bucket), TABLE.slice(0, 10))
    assert read(WebdatasetReader(paths=(bucket,))).column("txt").to_pylist() == TABLE.column("txt").to_pylist()[:10]


@pytest.mark.parametrize("target", [1, 1 << 20])
def test_members_of_a_sample_can_be_anywhere_in_a_large_file(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: int
) -> None:
    monkeypatch.setattr(_tar_read, "IN_MEMORY", 1000)
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for name in ("a.txt", "b.txt", "a.json", "b.json"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            file.addfile(info, io.BytesIO(name.encode()))
    Folder(bucket).write("x.tar", (tmp_path / "x.tar").read_bytes())
    rows = read(WebdatasetReader(paths=(bucket,)), target=target).to_pylist()
    assert rows == [{"__key__": key, "json": f"{key}.json", "txt": f"{key}.txt"} for key in ("a", "b")]


def test_partitions_become_prefixes(bucket: str) -> None:
    write(ParquetWriter(path=bucket, partition_by=("k",)), pa.table({"k": ["a b", "ü", None], "n": [1, 2, 3]}))
    table = read(ParquetReader(paths=(f"{bucket}/k=*/",)))
    assert dict(zip(table.column("n").to_pylist(), table.column("k").to_pylist(), strict=True)) == {1: "a b", 2: "ü", 3: None}


def test_a_large_file_goes_up_in_parts_and_whole(bucket: str) -> None:
    file = AtomicFile(bucket, "a/big.bin")
    data = bytes(range(256)) * (100 << 10)
    file.stream.write(data)
    assert Folder(bucket).list(recursive=True) == {}
    file.commit()
    assert Folder(bucket).list(recursive=True) == {"a/big.bin": len(data)}
    assert Folder(bucket).read("a/big.bin") == data
    assert file.size == len(data)


def test_an_aborted_upload_leaves_nothing(bucket: str, s3_server: S3Server) -> None:
    file = AtomicFile(bucket, "big.bin")
    file.stream.write(bytes(20 << 20))
    file.abort()
    assert Folder(bucket).list(recursive=True) == {}
    assert [path for path in Path(s3_server.folder / bucket[5:]).rglob("*") if path.is_file()] == []


def test_a_folder_keeps_its_books(bucket: str) -> None:
    folder = Folder(f"{bucket}/job")
    for i in range(30):
        folder.write(f"commits/{i:02}.json", b"x" * i)
    folder.write("commits/00.json", b"again")
    assert folder.read("commits/00.json") == b"again"
    assert folder.list("commits")["commits/29.json"] == 29
    assert folder.exists("commits/00.json") and folder.exists("commits") and not folder.exists("x")
    folder.delete([f"commits/{i:02}.json" for i in range(29)])
    assert list(folder.list(recursive=True)) == ["commits/29.json"]
    folder.delete_tree()
    assert folder.list(recursive=True) == {}


def test_folders_in_folders_go_with_what_is_in_them(bucket: str) -> None:
    folder = Folder(bucket)
    names = [f"answers/{phase}/{shard}/{number}.arrow" for phase in "ab" for shard in "cd" for number in range(3)]
    for name in names:
        folder.write(name, b"x")
    folder.delete(names[:3])  # a shard that is done leaves its folder
    folder.delete_tree("answers")
    assert not folder.exists("answers") and folder.list(recursive=True) == {}


def test_globs_and_hidden_names(bucket: str) -> None:
    folder = Folder(bucket)
    for name in ("a/1.jsonl", "a/b/2.jsonl", "a/_x/3.jsonl", "c/4.jsonl"):
        folder.write(name, b"{}")
    for path, expected in {"": [1, 2, 4], "a": [1, 2], "*/*.jsonl": [1, 4], "a/**/*.jsonl": [1, 2]}.items():
        found = list_inputs([f"{bucket}/{path}"], [".jsonl"])
        assert [int(file.path[-7]) for file in found] == expected


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    with pytest.raises(SinkError, match="the bucket does not exist"):
        Folder("s3://no-such-bucket/x").write("a", b"1")
    with pytest.raises(InputError, match="no such file or folder"):
        list_inputs(["s3://no-such-bucket/x"], [])


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_credentials_that_are_refused_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "wrong")
    with pytest.raises(InputError, match="the credentials are invalid"):
        Folder(bucket).list()
    with pytest.raises(SinkError, match="the credentials are invalid; check AWS_ACCESS_KEY_ID"):
        Folder(bucket, SinkError).exists("lock.json")
    with pytest.raises(InputError, match="the credentials are invalid"):
        list_inputs([f"{bucket}/a.jsonl"], [".jsonl"])


@pytest.mark.timeout(300)
def test_an_upload_that_cannot_begin_ends_and_leaves_nothing(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as wrong:
        wrong.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        file = AtomicFile(bucket, "big.bin")
        file.stream.write(bytes(25 << 20))
        with pytest.raises(SinkError, match=r"big\.bin: cannot write it: the credentials are invalid"):
            file.commit()
        del file
        gc.collect()
    assert Folder(bucket).list(recursive=True) == {}


@pytest.mark.parametrize("size", [1, 25 << 20])
def test_an_upload_to_nowhere_is_an_error(bucket: str, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    file = AtomicFile(bucket, "a.bin")
    file.stream.write(bytes(size))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match=r"a\.bin: cannot write it: the storage cannot be reached"):
        file.commit()


def test_an_endpoint_that_does_not_answer_is_an_error_within_seconds(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(StorageUnavailable, match="the storage cannot be reached; check the network and AWS_ENDPOINT_URL"):
        list_inputs([f"{bucket}/x"], [])
    assert time.monotonic() - started < 240


def test_compressed_files_are_compressed_once(bucket: str, s3_server: S3Server) -> None:
    writer = JsonWriter(path=f"{bucket}/out", compression="gzip").open(f"{bucket}/out", "part", pa.schema([("a", pa.int64())]))
    writer.write(pa.table({"a": [1]}))
    (file,) = writer.close()
    assert gzip.decompress((s3_server.folder / bucket.removeprefix("s3://") / "out" / file.path).read_bytes()) == b'{"a":1}\n'
    assert gzip.decompress(Folder(f"{bucket}/out").read(file.path)) == b'{"a":1}\n'
