"""Sinks of tables: partitions of every type, and drivers that end at any step of the commit."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("deltalake")
pytest.importorskip("pyiceberg")

from deltalake import DeltaTable

from datajob.errors import InvalidJob, SinkBusy
from datajob.formats import _delta_commit, _iceberg_commit
from tests.support.iceberg import catalog, properties
from tests.support.killed import Killed, after, killed_at
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "lang": ("de", "en", None)[i % 3]} for i in range(12)]


def by_id(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: row["id"])


@dataclass
class Kind:
    """A kind of tables."""

    publication: Any
    sink: Callable[[Path], dict[str, Any]]
    rows: Callable[[Path], Rows]
    commits: Callable[[Path], int]


def table(folder: Path) -> Any:
    return catalog(folder).load_table("lake.t")


DELTA = Kind(
    _delta_commit.Publication,
    lambda folder: {"delta": {"path": str(folder / "out")}},
    lambda folder: DeltaTable(folder / "out").to_pyarrow_table().to_pylist(),
    lambda folder: int(DeltaTable(folder / "out").version()) + 1,
)
ICEBERG = Kind(
    _iceberg_commit.Publication,
    lambda folder: {"iceberg": {"path": str(folder / "out"), "table": "lake.t", "catalog": properties(folder)}},
    lambda folder: table(folder).scan().to_arrow().to_pylist(),
    lambda folder: len(table(folder).metadata.snapshots),
)


def job(kind: Kind, folder: Path, source: str, **sink: Any) -> Any:
    return make_job(folder / source, folder, sink={key: {**value, **sink} for key, value in kind.sink(folder).items()})


PARTITIONS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "day": [dt.date(2020, 1, 1), dt.date(1960, 1, 2), None],
        "moment": pa.array([dt.datetime(2020, 1, 1), dt.datetime(1921, 1, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
        "instant": pa.array([dt.datetime(2020, 1, 1), dt.datetime(1921, 1, 1, 2, 3, 4, 5), None], pa.timestamp("us", "UTC")),
        "number": pa.array([1, -2, None], pa.int32()),
        "flag": [True, False, None],
        "share": [1.5, -1e300, None],
        "name": ["ü /%2F", "b=%20", None],
        "price": pa.array([Decimal("1.50"), Decimal("-2.00"), None], pa.decimal128(10, 2)),
    }
)


@pytest.mark.parametrize("kind", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_every_type_of_partition_is_written(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pq.write_table(PARTITIONS, tmp_path / "in/a.parquet")
    keys = [name for name in PARTITIONS.column_names[1:] if name != "share" or kind is DELTA]
    run(job(kind, tmp_path, "in", partitionBy=keys))
    assert by_id(kind.rows(tmp_path)) == PARTITIONS.to_pylist()
    run(job(kind, tmp_path, "in", mode="overwrite", overwrite="partitions"))
    assert by_id(kind.rows(tmp_path)) == PARTITIONS.to_pylist()
    key, sink = next(iter(kind.sink(tmp_path).items()))
    source = {key: {name: value for name, value in sink.items() if key == "delta" or name != "path"}}
    source[key]["where"] = "instant < '2000-01-01' AND name LIKE 'b%'"
    run(make_job(tmp_path, tmp_path / "back", sources=[source]))
    assert read_manifest(tmp_path / "back") == PARTITIONS.slice(1, 1).to_pylist()


@pytest.mark.parametrize(("kind", "column"), [(DELTA, "data"), (ICEBERG, "data"), (ICEBERG, "share")])
def test_types_that_partitions_cannot_have_are_refused(kind: Kind, column: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": 1, "data": b"x", "share": 0.5}], 1)
    with pytest.raises(InvalidJob, match=f"column {column} in `partitionBy`"):
        run(job(kind, tmp_path, "in", partitionBy=[column]))


@pytest.mark.parametrize(
    ("kind", "name", "refused"),
    [
        (DELTA, "a b ü#?&+100%", ""),
        (DELTA, "a%20b", "reads `%20` in the path of a table as another character"),
        (ICEBERG, "a b%20ü&+", ""),
        (ICEBERG, "a#b", "does not support `#` and `[?]` in the path"),
        (ICEBERG, "a?b", "does not support `#` and `[?]` in the path"),
    ],
)
def test_folders_with_odd_names_are_written_or_refused(kind: Kind, name: str, refused: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 1)
    made = job(kind, tmp_path, "in", path=str(tmp_path / name / "out"))
    if refused:
        with pytest.raises(InvalidJob, match=refused):
            run(made)
        return
    run(made)
    assert by_id(kind.rows(tmp_path / name if kind is DELTA else tmp_path)) == ROWS
    assert (tmp_path / name / "out" / ("_delta_log" if kind is DELTA else "metadata")).exists()


@pytest.mark.parametrize("value", ["", "__HIVE_DEFAULT_PARTITION__"])
@pytest.mark.parametrize("kind", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_texts_that_would_become_null_partitions_are_refused(kind: Kind, value: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"id": 1, "lang": value}], 1)
    with pytest.raises(InvalidJob, match="column lang in `partitionBy` contains an empty text"):
        run(job(kind, tmp_path, "in", partitionBy=["lang"]))


@pytest.mark.parametrize("sink", [{"mode": "append"}, {"mode": "overwrite", "overwrite": "partitions"}], ids=str)
@pytest.mark.parametrize("kind", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_a_driver_killed_at_each_step_of_the_commit_publishes_once(
    kind: Kind, sink: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    run(job(kind, tmp_path, "in", partitionBy=["lang"]))
    more = [{**row, "id": row["id"] + 1000} for row in ROWS if row["lang"] == "de"]
    write_parts(tmp_path / "more", more, 2)
    number = 0
    killed = True
    while killed:
        number += 1
        with killed_at(number, kind.publication, monkeypatch) as steps:
            try:
                run(job(kind, tmp_path, "more", **sink), run_id=f"run-{number}")
                killed = False
            except Killed:
                pass
        run(job(kind, tmp_path, "more", **sink), run_id=f"run-{number}")
        kept = ROWS if sink["mode"] == "append" else [row for row in ROWS if row["lang"] != "de"]
        times = number if sink["mode"] == "append" else 1
        assert kind.commits(tmp_path) == number + 1, steps[-1]
        assert by_id(kind.rows(tmp_path)) == by_id([*kept, *more * times]), steps[-1]
        assert json.loads((tmp_path / "out/_datajob/run.json").read_text())["state"] == "complete"
        assert {row["id"] for row in read_manifest(tmp_path / "out")} == {row["id"] for row in more}
        report = json.loads((tmp_path / "out/_datajob/report.json").read_text())
        assert (report["state"], report["output"]["rows"]) == ("complete", len(more)), steps[-1]
    assert number > 8, steps


@pytest.mark.parametrize("kind", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_two_jobs_on_one_table(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first one commits, the second one ends and can be retried, and then both add their rows."""
    write_parts(tmp_path / "a", ROWS[:5], 1)
    write_parts(tmp_path / "b", ROWS[5:], 1)
    original = kind.publication._once

    def after_another_job(self: Any) -> str:
        with pytest.raises(SinkBusy):
            run(job(kind, tmp_path, "b", mode="append"))
        return original(self)

    with monkeypatch.context() as scope:
        scope.setattr(kind.publication, "_once", after_another_job)
        run(job(kind, tmp_path, "a", mode="append"))
    run(job(kind, tmp_path, "b", mode="append"))
    assert by_id(kind.rows(tmp_path)) == ROWS


@pytest.mark.parametrize("kind", [DELTA, ICEBERG], ids=["delta", "iceberg"])
def test_input_that_changes_after_the_commit_is_not_read(kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path / "in", ROWS, 2)
    with monkeypatch.context() as scope, pytest.raises(Killed):
        scope.setattr(kind.publication, "_once", after(kind.publication._once))
        run(job(kind, tmp_path, "in", mode="append"))
    write_parts(tmp_path / "in", [{**ROWS[0], "id": 5000}], 1)
    run(job(kind, tmp_path, "in", mode="append"))
    assert by_id(kind.rows(tmp_path)) == ROWS
    assert run(job(kind, tmp_path, "in", mode="append")).attempt == 1  # a new run
    assert len(kind.rows(tmp_path)) > len(ROWS)
