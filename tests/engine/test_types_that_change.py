"""A column whose type changes between shards: the files of a result can be read together, or the job is refused."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import InvalidJob
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

FIRST: dict[str, tuple[Any, Any]] = {
    "number and text": (7, "007"),
    "date and number": (datetime.date(2024, 1, 1), 7),
    "boolean and number": (True, 7),
    "integer and fraction": (7, 0.5),
    "large integer and fraction": (2**60 + 1, 0.5),
    "null and number": (None, 7),
    "null and text": (None, "007"),
    "null and object": (None, {"a": 7}),
    "object and list": ({"a": 7}, [7]),
    "objects with members of two types": ({"a": 7}, {"a": "007"}),
    "number and object": (7, {"a": 7}),
}
"""The value of a column in the first shard and in the second."""
REFUSED = {
    "json": {"number and text", "date and number", "boolean and number"},
    "csv": {"null and object", "object and list", "objects with members of two types", "number and object"},
    "parquet": {
        *("number and text", "date and number", "boolean and number", "large integer and fraction"),
        *("object and list", "objects with members of two types", "number and object"),
    },
}


def value(row: dict[str, Any], case: str) -> dict[str, Any]:
    return {"id": row["id"], "x": FIRST[case][row["id"] // 10]}


@pytest.mark.parametrize("sink", REFUSED)
@pytest.mark.parametrize("case", FIRST)
def test_files_with_two_types_of_a_column_are_read_together_or_refused(tmp_path: Path, case: str, sink: str) -> None:
    write_parts(tmp_path / "in", [{"id": i} for i in range(20)], 2)
    step = {"map": {"function": "tests.engine.test_types_that_change:value", "params": {"case": case}}}
    out = tmp_path / "out"
    job = make_job(tmp_path / "in", out, [step], sink={sink: {"path": str(out)}})
    if case in REFUSED[sink]:
        with pytest.raises(InvalidJob, match=r"[Cc]olumn `?x`? (is|has) .* (in others|CSV cannot represent)"):
            run(job, shard_bytes=1)
        assert not (out / "_datajob/manifest.json").exists()
        return
    assert run(job, shard_bytes=1).progress.shards_total == 2
    run(make_job(tmp_path, tmp_path / "back", sources=[{sink: {"paths": [str(out)]}}]))
    rows = read_manifest(tmp_path / "back")
    assert [int(row["id"]) for row in rows] == list(range(20))
    for row, expected in ((rows[9], FIRST[case][0]), (rows[10], FIRST[case][1])):
        text = str(expected).replace("'", '"').replace(": ", ":")
        assert row["x"] == expected or str(row["x"]).lower() == text.lower()


def _append(folder: Path, values: list[Any], sink: str, through: str = "map") -> None:
    """Append rows to a result, whose types come from a function or, like those of columns of nulls, from a Parquet file."""
    source = folder / f"in-{len(list(folder.glob('in-*')))}"
    source.mkdir(parents=True)
    pq.write_table(pa.table({"id": range(len(values)), "x": pa.array(values)}), source / "a.parquet")
    writer = {"path": str(folder / "out"), "mode": "append"}
    steps = [{"map": {"function": "tests.engine.test_types_that_change:same"}}] if through == "map" else []
    run(make_job(source, folder / "out", steps, sources=[{"parquet": {"paths": [str(source)]}}], sink={sink: writer}))


def same(row: dict[str, Any]) -> dict[str, Any]:
    return row


@pytest.mark.parametrize("through", ["map", "file"])
@pytest.mark.parametrize("sink", ["json", "parquet"])
@pytest.mark.parametrize("case", FIRST)
@pytest.mark.parametrize("order", [1, -1])
def test_appended_rows_are_read_with_the_earlier_ones_or_refused(
    tmp_path: Path, case: str, sink: str, order: int, through: str
) -> None:
    first, second = FIRST[case][::order]
    _append(tmp_path, [first] * 3, sink, through)
    if case in REFUSED[sink]:
        with pytest.raises(InvalidJob, match=r"Column `x` (is|has) .* in some files of the result and .* in others"):
            _append(tmp_path, [second] * 3, sink, through)
        return
    _append(tmp_path, [second] * 3, sink, through)
    back = run(make_job(tmp_path, tmp_path / "back", sources=[{sink: {"paths": [str(tmp_path / "out")]}}])).progress
    assert (back.rows_in, back.rows_out, back.rows_failed) == (6, 6, 0)


@pytest.mark.parametrize("sink", ["json", "parquet"])
def test_all_earlier_files_count_for_the_type_of_a_column(tmp_path: Path, sink: str) -> None:
    _append(tmp_path, [1, 2], sink, "file")
    _append(tmp_path, [None, None], sink, "file")
    with pytest.raises(InvalidJob, match="Column `x` is"):
        _append(tmp_path, ["a", None], sink, "file")
    _append(tmp_path, [3, None], sink, "file")
    rows = run(make_job(tmp_path, tmp_path / "back", sources=[{sink: {"paths": [str(tmp_path / "out")]}}])).progress
    assert (rows.rows_out, rows.rows_failed) == (6, 0)
