"""Files of Megatron-LM are equal, byte for byte, to those that Megatron Core writes."""

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InvalidJob, SinkError
from datajob.formats.megatron import MegatronWriter
from tests.support.local_jobs import make_job, run, write_parts
from tests.support.rows import write

DOCUMENTS = [[1, 2, 3], [7], [999, 0, 500, 2]]
BOUNDS = "0000000000000000010000000000000002000000000000000300000000000000"
# Written by IndexedDatasetBuilder of Megatron Core 0.16.1, with DType.optimal_dtype of the vocabulary.
GOLDEN = {
    1_000: (
        "0100020003000700e7030000f4010200",
        "4d4d4944494458000001000000000000000803000000000000000400000000000000"
        "030000000100000004000000000000000000000006000000000000000800000000000000" + BOUNDS,
    ),
    70_000: (
        "01000000020000000300000007000000e703000000000000f401000002000000",
        "4d4d4944494458000001000000000000000403000000000000000400000000000000"
        "03000000010000000400000000000000000000000c000000000000001000000000000000" + BOUNDS,
    ),
}


def tokens(lists, kind=None) -> pa.Array:
    return pa.array(lists, kind or pa.list_(pa.int32()))


def documents(folder: Path, stem: str, dtype: str) -> list[list[int]]:
    """What Megatron reads: lengths and offsets from the index, tokens from the file."""
    index = (folder / f"{stem}.idx").read_bytes()
    sequences, bounds = struct.unpack_from("<QQ", index, 18)
    assert bounds == sequences + 1
    sizes = np.frombuffer(index, "<i4", sequences, 34)
    offsets = np.frombuffer(index, "<i8", sequences, 34 + 4 * sequences)
    data = (folder / f"{stem}.bin").read_bytes()
    return [np.frombuffer(data, dtype, size, at).tolist() for size, at in zip(sizes, offsets, strict=True)]


@pytest.mark.parametrize("vocabulary", GOLDEN)
@pytest.mark.parametrize("kind", [pa.list_(pa.int32()), pa.large_list(pa.int64())], ids=str)
def test_the_files_are_those_of_megatron(tmp_path: Path, vocabulary: int, kind: pa.DataType) -> None:
    files = write(
        MegatronWriter(path=str(tmp_path), vocabulary_size=vocabulary), pa.table({"input_ids": tokens(DOCUMENTS, kind)})
    )
    assert [(Path(file.path).suffix, file.rows) for file in files] == [(".bin", 3), (".idx", 0)]
    assert tuple((tmp_path / file.path).read_bytes().hex() for file in files) == GOLDEN[vocabulary]


@pytest.mark.parametrize(("vocabulary", "dtype"), [(65_499, "<u2"), (65_500, "<i4"), (2**31 - 1, "<i4")])
def test_the_type_of_the_tokens_follows_the_vocabulary(tmp_path: Path, vocabulary: int, dtype: str) -> None:
    lists = [[vocabulary - 1, 0], [5]]
    (file, _) = write(MegatronWriter(path=str(tmp_path), vocabulary_size=vocabulary), pa.table({"input_ids": tokens(lists)}))
    assert documents(tmp_path, file.path.removesuffix(".bin"), dtype) == lists


def test_the_other_columns_are_a_table_of_the_documents(tmp_path: Path) -> None:
    table = pa.table({"source": ["a", "b", None], "input_ids": tokens(DOCUMENTS), "id": [1, 2, 3]})
    files = write(MegatronWriter(path=str(tmp_path), vocabulary_size=1000), table)
    meta = next(file.path for file in files if file.path.endswith(".meta.parquet"))
    assert pq.read_table(tmp_path / meta).to_pydict() == {"source": ["a", "b", None], "id": [1, 2, 3]}


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ([[1], []], "document 1 .* has no tokens"),
        ([[1], None], "document 1 .* has no tokens"),
        ([[1], [2], [1, 1000]], "document 2 .* contains the token 1000, but .* 1000 tokens"),
        ([[-1]], "document 0 .* contains the token -1"),
        ([[1, 2], [None]], "document 1 .* contains null"),
    ],
)
def test_a_row_that_is_no_document_ends_the_job_and_leaves_no_file(tmp_path: Path, lists, reason: str) -> None:
    writer = MegatronWriter(path=str(tmp_path), vocabulary_size=1000)
    shard = writer.open(str(tmp_path), "p", pa.schema([("input_ids", pa.list_(pa.int32()))]))
    with pytest.raises(SinkError, match=reason):
        shard.write(pa.table({"input_ids": tokens(lists)}))
    shard.abort()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("schema", [pa.schema([("text", pa.string())]), pa.schema([("input_ids", pa.string())])])
def test_other_columns_are_refused(tmp_path: Path, schema: pa.Schema) -> None:
    with pytest.raises(InvalidJob, match=r"sink\.megatron"):
        MegatronWriter(path=str(tmp_path), vocabulary_size=10).open(str(tmp_path), "p", schema)


def test_a_job_writes_pairs_in_folders_and_replaces_them_together(tmp_path: Path) -> None:
    rows = [{"input_ids": [i, i + 1], "lang": "de" if i % 2 else "en", "n": i} for i in range(9)]
    write_parts(tmp_path / "in", rows, 1)
    sink = {"megatron": {"path": str(tmp_path / "out"), "vocabularySize": 100, "partitionBy": ["lang"], "mode": "overwrite"}}
    for _ in range(2):
        report = run(make_job(tmp_path / "in", tmp_path / "out", sink=sink))
        assert (report.progress.rows_in, report.progress.rows_out) == (9, 9)
    manifest = json.loads((tmp_path / "out/_datajob/manifest.json").read_text())
    files = [file["path"] for file in manifest["files"]]
    on_disk = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").glob("lang=*/*"))
    assert sorted(files) == on_disk and len(files) == 6
    (german,) = (path for path in files if path.startswith("lang=de") and path.endswith(".bin"))
    assert documents(tmp_path / "out", german.removesuffix(".bin"), "<u2") == [[i, i + 1] for i in (1, 3, 5, 7)]


def test_an_empty_result_has_an_empty_index(tmp_path: Path) -> None:
    (file, _) = write(MegatronWriter(path=str(tmp_path), vocabulary_size=10), pa.table({"input_ids": tokens([])}))
    assert documents(tmp_path, file.path.removesuffix(".bin"), "<u2") == []
