"""Runs that write to a Lance table while others write to it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("lance")

import lance

from datajob.errors import SinkBusy, SinkError
from datajob.formats import _lance_commit
from tests.engine.test_lance_sink import ROWS, job, rows_of, write_input
from tests.support.local_jobs import run


def test_two_drivers_of_a_run_that_commit_at_the_same_time_add_its_rows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path)
    run(job(tmp_path))
    original = _lance_commit.Publication._commit

    def after_another_driver(self: Any, *args: Any) -> Any:
        original(self, *args)
        return original(self, *args)

    with monkeypatch.context() as scope:
        scope.setattr(_lance_commit.Publication, "_commit", after_another_driver)
        run(job(tmp_path, "append"))
    assert rows_of(tmp_path / "out") == sorted(ROWS * 2, key=lambda row: row["id"])


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_rows_of_another_writer_are_not_lost(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer adds rows between the check of the table and the commit, once."""
    write_input(tmp_path)
    run(job(tmp_path))
    original = _lance_commit.Publication._commit
    waiting = [pa.table({"id": [-1]})]

    def after_another_writer(self: Any, *args: Any) -> Any:
        if waiting:
            lance.write_dataset(waiting.pop(), tmp_path / "out", mode="append")
        return original(self, *args)

    monkeypatch.setattr(_lance_commit.Publication, "_commit", after_another_writer)
    run(job(tmp_path, mode))
    empty = {"text": None, "share": None, "item": None}
    added = [{"id": -1, **empty}] if mode == "append" else []  # `overwrite` replaces the rows at the time of the commit
    assert rows_of(tmp_path / "out") == [*added, *sorted(ROWS * (2 if mode == "append" else 1), key=lambda row: row["id"])]


@pytest.mark.parametrize("mode", ["error", "append"])
def test_a_table_that_another_writer_creates_in_the_meantime(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path, [{"id": 1}])
    original = _lance_commit.Publication._commit
    waiting = [pa.table({"id": [-1]})]

    def after_another_writer(self: Any, *args: Any) -> Any:
        if waiting:
            lance.write_dataset(waiting.pop(), tmp_path / "out", data_storage_version="2.1")
        return original(self, *args)

    monkeypatch.setattr(_lance_commit.Publication, "_commit", after_another_writer)
    if mode == "error":
        with pytest.raises(SinkError, match="another writer has created the Lance table"):
            run(job(tmp_path))
        assert rows_of(tmp_path / "out") == [{"id": -1}]
    else:
        run(job(tmp_path, mode))
        assert rows_of(tmp_path / "out") == [{"id": -1}, {"id": 1}]


@pytest.mark.parametrize("change", ["type", "format", "column"])
def test_a_table_that_another_writer_changes_in_the_meantime_is_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_input(tmp_path, [{"id": 1, "text": "a"}])
    run(job(tmp_path))
    original = _lance_commit.Publication._once

    def after_another_writer(self: Any) -> str:
        table = lance.dataset(tmp_path / "out")
        if change == "type":
            table.alter_columns({"path": "id", "data_type": pa.int32()})
        elif change == "column":
            table.drop_columns(["text"])
        else:
            lance.write_dataset(table.to_table(), tmp_path / "out", mode="overwrite", data_storage_version="2.2")
        return original(self)

    monkeypatch.setattr(_lance_commit.Publication, "_once", after_another_writer)
    with pytest.raises(SinkError, match=r"is int32 now|does not have the column text any more|has the file format 2\.2 now"):
        run(job(tmp_path, "append"))
    assert lance.dataset(tmp_path / "out").count_rows() == 1


def test_two_jobs_on_one_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first one commits, the second one ends and can be retried, and then both add their rows."""
    write_input(tmp_path, ROWS[:9], "a")
    write_input(tmp_path, ROWS[9:], "b")
    original = _lance_commit.Publication._once

    def after_another_job(self: Any) -> str:
        with pytest.raises(SinkBusy):
            run(job(tmp_path, "append", "b"))
        return original(self)

    with monkeypatch.context() as scope:
        scope.setattr(_lance_commit.Publication, "_once", after_another_job)
        run(job(tmp_path, "append", "a"))
    run(job(tmp_path, "append", "b"))
    assert rows_of(tmp_path / "out") == ROWS
