"""Media in Lance tables: in the rows, as blobs, and as references."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("lance")

import lance

from datajob.errors import InvalidJob
from datajob.media.values import media_type
from datajob.python.result import Result
from tests.support.local_jobs import make_job, run, write_parts


def job(tmp_path: Path, mode: str = "error", **sink: Any) -> Any:
    return make_job(tmp_path / "in", tmp_path / "out", sink={"lance": {"path": str(tmp_path / "out"), "mode": mode, **sink}})


@pytest.mark.parametrize("media", ["embed", "blob", "reference"])
def test_media_are_stored_in_rows_as_blobs_or_as_references(media: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "b.bin").write_bytes(b"bbb")
    values = [{"bytes": b"a" * 100, "path": "a.bin"}, {"bytes": None, "path": str(tmp_path / "b.bin")}, None]
    pq.write_table(pa.table({"id": range(3), "image": pa.array(values, media_type())}), tmp_path / "in/a.parquet")
    for mode in ("error", "append"):
        run(job(tmp_path, mode, media=media))
    kind = lance.dataset(tmp_path / "out").schema.field("image").type
    assert (kind.field(0).metadata == {b"lance-encoding:blob": b"true"}) == (media == "blob")
    found = lance.dataset(tmp_path / "out").to_table(blob_handling="all_binary").column("image").to_pylist()
    stored = values if media == "reference" else [values[0], {"bytes": b"bbb", "path": "b.bin"}, None]
    assert found == stored * 2
    run(make_job(tmp_path / "in", tmp_path / "back", sources=[{"lance": {"path": str(tmp_path / "out")}}]))
    back = [row for file in sorted((tmp_path / "back").glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    assert [row["image"] and row["image"]["bytes"] for row in back] == [b"a" * 100, b"bbb", None] * 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": pa.list_(media_type())}, "cannot store lists of blobs"),
        ({"image": media_type(), "m": pa.map_(pa.string(), pa.int64())}, "cannot have both maps and blobs"),
    ],
)
def test_columns_that_blobs_do_not_allow_are_refused(columns: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({name: pa.nulls(1, kind) for name, kind in columns.items()}), tmp_path / "in/a.parquet")
    with pytest.raises(InvalidJob, match=message):
        run(job(tmp_path, media="blob"))


@pytest.mark.parametrize("media", ["embed", "blob"])
def test_the_result_is_read_from_python(media: str, tmp_path: Path) -> None:
    """Also after the files of the table were rewritten."""
    rows = [{"id": i, "image": {"bytes": b"a" * i, "path": None}} for i in range(1, 9)]
    write_parts(tmp_path / "in", rows, 3)
    made = job(tmp_path, media=media)
    report = run(made)
    lance.dataset(tmp_path / "out").optimize.compact_files()
    result = Result.of(made, report)
    assert result.to_arrow().to_pylist() == rows


@pytest.mark.s3
def test_blobs_on_s3_are_read_by_reference(tmp_path: Path, bucket: str) -> None:
    (tmp_path / "in").mkdir()
    values = pa.array([{"bytes": b"a" * 100, "path": "a.bin"}, None], media_type())
    pq.write_table(pa.table({"id": range(2), "image": values}), tmp_path / "in/a.parquet")
    run(make_job(tmp_path / "in", tmp_path, sink={"lance": {"path": f"{bucket}/t", "media": "blob"}}))
    run(make_job(tmp_path, tmp_path / "back", sources=[{"lance": {"path": f"{bucket}/t"}}]))
    (file,) = (tmp_path / "back").glob("*.parquet")
    assert [row["image"] and row["image"]["bytes"] for row in pq.read_table(file).to_pylist()] == [b"a" * 100, None]
