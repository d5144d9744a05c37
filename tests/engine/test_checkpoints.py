"""Checkpoints in a shard: an interrupted run repeats little work, and its result is that of an undisturbed run."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datajob.engine.counts.tally import Tally
from datajob.engine.worker import checkpoints, shard_chain
from datajob.engine.worker.accounting import Accounting
from datajob.engine.worker.checkpoints import Checkpoints, Processed
from datajob.engine.worker.rejects import CollectedRejects, RejectFolders
from datajob.engine.worker.shard_chain import ShardChain
from tests.support import interrupted
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"row {i} " * (i % 9)} for i in range(600)]


def call(name: str) -> dict[str, Any]:
    return {"function": f"tests.support.interrupted:{name}"}


CHAINS: dict[str, Rows] = {
    "failures and types": [{"map": call("messy")}, {"filter": {"where": "length(text) > 15"}}],
    "two types": [{"map": call("of_two_types")}],
    "columns of some rows": [{"map": call("with_and_without")}],
    "many rows of one": [{"filter": {"where": "id % 10 > 2"}}, {"flatMap": call("some_of_each")}],
    "batches": [{"mapBatches": {**call("whole_batch"), "batchFormat": "pyarrow", "batchSize": 40}}],
    "before a sort": [{"map": call("messy")}, {"sort": {"by": ["text", "id"]}}],
    "before a deduplication": [{"map": call("messy")}, {"exactDedup": {"columns": ["text"]}}, {"map": call("messy")}],
    "before a ranking": [{"map": call("messy")}, {"top": {"by": "half", "fraction": 0.3}}, {"map": call("messy")}],
}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    interrupted.fuse.clear()
    interrupted.calls.clear()


def job(folder: Path, steps: Rows, name: str) -> Any:
    """Quarantine and rejects are in subfolders, whose names are the same in every run."""
    errors = {"policy": "quarantine", "path": str(folder / "bad"), "maxRatio": 1}
    rejects = {"path": str(folder / "rejects")}
    return make_job(folder / "in", folder / name, steps, errors=errors, rejects=rejects)


def files(folder: Path) -> dict[str, bytes]:
    """What a run wrote: the files of the result, of rejected and of failed rows, without the hash in their names."""
    found = [p for sub in ("out", "bad", "rejects") for p in sorted((folder / sub).rglob("*.parquet"))]
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def counts(report: Any) -> Any:
    """The report without what depends on the time."""
    steps = [step.model_copy(update={"seconds": 0}) for step in report.steps]
    samples = Counter((sample.step, sample.reason, sample.row["id"]) for sample in report.samples)
    return steps, samples, report.histograms, report.output


def fast(monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
    """Slices of few rows that are stored often, whatever their time."""
    monkeypatch.setattr(shard_chain, "SLICE_SECONDS", chance.choice([1e-9, 0.002, 0.5]))
    monkeypatch.setattr(shard_chain, "FIRST_ROWS", chance.choice([1, 7, 16, 300]))
    monkeypatch.setattr(shard_chain, "is_due", lambda since, duration, held: chance.random() < 0.7)


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_an_interrupted_run_writes_the_files_of_an_undisturbed_one(
    steps: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(str(steps))
    calm, disturbed = tmp_path / "calm", tmp_path / "disturbed"
    for folder in (calm, disturbed):
        write_parts(folder / "in", ROWS, 3)
    expected = counts(run(job(calm, steps, "out"), shard_bytes=1 << 20))
    kills = 0
    for _ in range(4):
        fast(monkeypatch, chance)
        interrupted.fuse[:] = [chance.randrange(20, 300)]
        try:
            report = run(job(disturbed, steps, "out"), shard_bytes=1 << 20)
            break
        except KeyboardInterrupt:
            kills += 1
    else:
        interrupted.fuse.clear()
        report = run(job(disturbed, steps, "out"), shard_bytes=1 << 20)
    assert kills
    assert report.attempt == kills + 1
    found = counts(report)
    assert found[:3] == expected[:3]
    assert (found[3].rows, found[3].files, found[3].bytes) == (expected[3].rows, expected[3].files, expected[3].bytes)
    assert list(files(disturbed).values()) == list(files(calm).values())
    assert not (disturbed / "out" / checkpoints.CHECKPOINTS).exists()


def test_a_resumed_shard_processes_only_the_rows_without_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_parts(tmp_path / "in", ROWS, 1)
    monkeypatch.setattr(shard_chain, "SLICE_SECONDS", 1e-9)
    monkeypatch.setattr(shard_chain, "is_due", lambda since, duration, held: True)
    interrupted.fuse[:] = [350]
    with pytest.raises(KeyboardInterrupt):
        run(job(tmp_path, CHAINS["failures and types"], "out"), shard_bytes=1 << 20)
    interrupted.fuse.clear()
    run(job(tmp_path, CHAINS["failures and types"], "out"), shard_bytes=1 << 20)
    assert {row["id"] for row in read_manifest(tmp_path / "out")} <= set(interrupted.calls)
    assert Counter(Counter(interrupted.calls).values()).keys() <= {1, 2, 3, 4, 5, 6, 7, 8}
    repeated = [row for row, times in Counter(interrupted.calls).items() if times > 1 and row < 330]
    assert len(repeated) <= 8 * 16, "bisection repeats rows; a resumed run does not"


def test_a_checkpoint_keeps_values_types_and_chunks() -> None:
    table = pa.table(
        {
            "text": pa.chunked_array([["a", None], ["\U0001f600"]]),
            "number": pa.chunked_array([[1], [2, 3]], pa.uint16()),
            "nested": pa.chunked_array([[{"a": [1, None], "b": None}, None, {"a": [], "b": b"\x00"}]]),
            "word": pa.chunked_array([pa.array(["x", "y"]).dictionary_encode(), pa.array(["z"]).dictionary_encode()]),
            "json": pa.array(["{}", "1", None]).cast(pa.json_(pa.string())),
        }
    ).replace_schema_metadata({"a": "b"})
    tally = Tally()
    tally.step("x").failed = 1
    rejects = CollectedRejects()
    rejects.failed("x", ["a \\ud83d"], table.slice(1, 1))
    rejects.rejected("y", pa.array(["why"]), table.slice(2, 1))
    (found,) = checkpoints.unpack(b"".join(checkpoints.pack([Processed(3, 9, table, tally, rejects, mixed=True)])))
    assert found.table.equals(table, check_metadata=True)
    assert [[len(chunk) for chunk in column.chunks] for column in found.table.columns] == [
        [len(chunk) for chunk in column.chunks] for column in table.columns
    ]
    assert (found.start, found.stop, found.tally, found.mixed) == (3, 9, tally, True)
    assert [(step, errors, rows.to_pylist()) for step, errors, rows, _ in found.rejects.rows] == [
        (step, errors, rows.to_pylist()) for step, errors, rows, _ in rejects.rows
    ]


@pytest.mark.parametrize(
    ("since", "duration", "held", "due"),
    [
        (1.0, 1.0, 0, False),
        (2.5, 2.5, 1 << 20, True),
        (2.5, 2.5, 30 << 20, False),  # storing takes more than 2% of the time
        (25.0, 25.0, 30 << 20, True),
        (2.5, 31.0, 30 << 20, True),
        (2.5, 3000.0, 0, False),
        (21.0, 3000.0, 0, True),
        (1.0, 31.0, 33 << 20, True),
    ],
)
def test_results_are_stored_while_that_costs_little_and_before_much_is_lost(
    since: float, duration: float, held: int, due: bool
) -> None:
    assert shard_chain.is_due(since, duration, held) is due


def test_the_longest_of_two_files_with_the_same_start_counts(tmp_path: Path) -> None:
    store = Checkpoints(str(tmp_path), "rows", "key")
    for stop in (5, 9, 7):
        store.store([Processed(2, stop, pa.table({"x": [1]}), Tally(), CollectedRejects())])
    assert store.stored() == {2: 9}
    store.forget()
    assert store.stored() == {}


def test_a_shard_of_cheap_steps_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[Any] = []
    monkeypatch.setattr(Checkpoints, "store", lambda self, results: stored.append(results))
    write_parts(tmp_path / "in", ROWS, 3)
    run(job(tmp_path, CHAINS["failures and types"], "out"))
    assert not stored


def test_results_of_a_type_that_arrow_cannot_store_are_not_stored(tmp_path: Path) -> None:
    kind: Any = pa.int64()
    for _ in range(70):
        kind = pa.list_(kind)
    table = pa.table({"deep": pa.array([None], kind)})
    store = Checkpoints(str(tmp_path), "rows", "key")
    assert not store.store([Processed(0, 1, table, Tally(), CollectedRejects())])
    assert store.stored() == {}


def test_rows_of_models_in_checkpoints_count_as_reused(tmp_path: Path) -> None:
    store = Checkpoints(str(tmp_path), "rows", "key")
    tally = Tally(reused=2)
    tally.worker("host/1", "cpu").add(calls=1, rows=3, first=1.0, last=2.0, busy=1.0)
    store.store([Processed(0, 5, pa.table({"x": range(5)}), tally, CollectedRejects())])
    rejects = RejectFolders(None, None, "").open("")
    chain = ShardChain(lambda counts: pytest.fail("nothing to process"), Accounting("fail", rejects), rejects, store, None)
    assert chain.apply(pa.table({"x": range(5)})).num_rows == 5
    assert (chain.accounting.tally.reused, chain.accounting.tally.workers) == (5, {})
