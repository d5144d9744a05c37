"""mix combines sources by weights, exactly and in a random order that depends on the content of the rows only."""

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from datajob.api.report import Report
from datajob.engine.report.page import render
from datajob.errors import InputError, InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table._mixing import sizes_of
from datajob.operators.table.mix import Mix
from datajob.python.tables import report_text
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

WEIGHTS = {"web": 0.7, "code": 0.2, "math": 0.1}


def rows_of(sizes: dict[str, int], seed: int = 0) -> list[dict[str, Any]]:
    """Rows of each source, with 1 to 9 tokens, in a random order."""
    chance = random.Random(seed)
    rows = [
        {"id": f"{name}-{i}", "source": name, "input_ids": list(range(chance.randrange(1, 10)))}
        for name, size in sizes.items()
        for i in range(size)
    ]
    chance.shuffle(rows)
    return rows


def mixed(folder: Path, rows: list[dict[str, Any]], step: dict[str, Any], parts: int = 3, **options: Any) -> Report:
    """The report of a mixture of these rows."""
    write_parts(folder / "in", rows, parts)
    return run(make_job(folder / "in", folder / "out", [{"mix": step}]), **options)


def test_without_repetition_the_mixture_ends_with_the_first_exhausted_source(tmp_path: Path) -> None:
    rows = rows_of({"web": 500, "code": 400, "math": 30, "other": 20})
    report = mixed(tmp_path, rows, {"weights": WEIGHTS})
    result = read_manifest(tmp_path / "out")
    assert Counter(row["source"] for row in result) == {"web": 210, "code": 60, "math": 30}
    assert len({row["id"] for row in result}) == 300
    assert sorted(result[0]) == ["id", "input_ids", "source"]
    mix = report.steps[1]
    assert (mix.rows_in, mix.rows_out, mix.rejected) == (950, 300, {"mix": 630, "noWeight": 20})
    found = {s.source: (s.rows, s.tokens, s.share, s.requested, s.available, s.epochs) for s in report.sources}
    assert found["math"] == (30, None, 0.1, 0.1, 30, 1.0)
    assert found["web"] == (210, None, 0.7, 0.7, 500, 0.42)
    assert [s.source for s in report.sources] == ["web", "code", "math"]


def test_each_part_of_the_result_contains_all_sources(tmp_path: Path) -> None:
    rows = sorted(rows_of({"web": 900, "code": 300}), key=lambda row: str(row["source"]))
    mixed(tmp_path, rows, {"weights": {"web": 3, "code": 1}})
    result = [row["source"] for row in read_manifest(tmp_path / "out")]
    for start in range(0, 1200, 300):
        assert 45 < result[start : start + 300].count("code") < 105, "the expectation is 75, the standard deviation 6.5"


def test_smaller_sources_are_repeated_until_all_are_exhausted(tmp_path: Path) -> None:
    report = mixed(tmp_path, rows_of({"web": 70, "code": 8, "math": 3}), {"weights": WEIGHTS, "stop": "allExhausted"})
    result = read_manifest(tmp_path / "out")
    assert Counter(row["source"] for row in result) == {"web": 70, "code": 20, "math": 10}
    times = Counter(row["id"] for row in result)
    assert {name.split("-")[0]: sorted(times[n] for n in times if n.startswith(name[:3]))[-1] for name in times} == {
        "web": 1,
        "code": 3,
        "math": 4,
    }
    assert sorted(times[f"math-{i}"] for i in range(3)) == [3, 3, 4]
    assert not report.steps[1].rejected
    assert (report.steps[2].rows_in, report.steps[2].rows_out) == (81, 100)
    assert {s.source: s.epochs for s in report.sources} == {"web": 1.0, "code": 2.5, "math": pytest.approx(10 / 3)}


@pytest.mark.parametrize("seed", range(4))
def test_the_result_does_not_depend_on_how_the_input_is_divided(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    sizes = {"web": chance.randrange(20, 90), "code": chance.randrange(1, 40), "math": chance.randrange(1, 9)}
    step: dict[str, Any] = {"weights": {name: chance.choice((0.1, 0.5, 2, 3.3)) for name in sizes}, "seed": seed}
    step |= chance.choice(({}, {"stop": "allExhausted"}, {"total": 40, "maxEpochs": 100}, {"maxEpochs": 2.5}))
    step |= chance.choice(({}, {"tokens": "input_ids"}, {"by": ["id"]}))
    rows = rows_of(sizes, seed)
    results = []
    for parts, shard_bytes, partition in ((1, 10**6, 10**6), (5, 500, 500), (3, 900, 3000)):
        monkeypatch.setattr("datajob.engine.stage.PARTITION_BYTES", partition)
        report = mixed(tmp_path / str(parts), rows, step, parts, shard_bytes=shard_bytes)
        results.append((read_manifest(tmp_path / str(parts) / "out"), report.sources))
    assert results[0] == results[1] == results[2], (seed, step)
    assert sum(s.rows for s in results[0][1]) == len(results[0][0])


@pytest.mark.parametrize("stop", ["firstExhausted", "allExhausted"])
def test_shares_of_tokens_differ_from_the_weights_by_less_than_a_row(stop: str, tmp_path: Path) -> None:
    rows = rows_of({"web": 300, "code": 90, "math": 40})
    report = mixed(tmp_path, rows, {"weights": WEIGHTS, "tokens": "input_ids", "stop": stop})
    result = read_manifest(tmp_path / "out")
    total = sum(s.tokens or 0 for s in report.sources)
    available: Counter[str] = Counter()
    for row in rows:
        available[row["source"]] += len(row["input_ids"])
    sizes = sizes_of(list(WEIGHTS.values()), [available[name] for name in WEIGHTS], None, None, stop == "allExhausted")
    for source, size in zip(WEIGHTS, sizes, strict=True):
        [found] = [s for s in report.sources if s.source == source]
        assert found.tokens == sum(len(row["input_ids"]) for row in result if row["source"] == source)
        assert 0 <= size - found.tokens < 10, "rows have at most 9 tokens"
        assert found.available == available[source]
        assert found.share == found.tokens / total


def test_total_is_the_size_of_the_result(tmp_path: Path) -> None:
    rows = rows_of({"web": 300, "code": 20})
    mixed(tmp_path / "a", rows, {"weights": {"web": 2, "code": 1}, "total": 60})
    assert Counter(row["source"] for row in read_manifest(tmp_path / "a" / "out")) == {"web": 40, "code": 20}
    with pytest.raises(InvalidJob, match=r"source `code` has 20 rows, but the mixture needs 21. These are 1.05 epochs, and"):
        mixed(tmp_path / "b", rows, {"weights": {"web": 2, "code": 1}, "total": 63})
    mixed(tmp_path / "c", rows, {"weights": {"web": 2, "code": 1}, "total": 63, "maxEpochs": 1.05})
    assert Counter(row["source"] for row in read_manifest(tmp_path / "c" / "out")) == {"web": 42, "code": 21}


def test_impossible_mixtures_are_refused(tmp_path: Path) -> None:
    rows = rows_of({"web": 10, "code": 5})
    with pytest.raises(InvalidJob, match="no row has the source `wbe` in column `source`"):
        mixed(tmp_path / "a", rows, {"weights": {"wbe": 1, "code": 1}})
    with pytest.raises(InvalidJob, match=r"2\.00 epochs, and `maxEpochs` is 1.5"):
        mixed(tmp_path / "b", rows, {"weights": {"web": 1, "code": 1}, "stop": "allExhausted", "maxEpochs": 1.5})
    with pytest.raises(InvalidJob, match="column `lang` is not available at this step"):
        mixed(tmp_path / "c", rows, {"weights": {"web": 1}, "column": "lang"})
    with pytest.raises(InvalidJob, match=r"column `id` contains string, but tokens are lists"):
        mixed(tmp_path / "d", rows, {"weights": {"web": 1}, "tokens": "id"})
    with pytest.raises(InvalidJob, match=r"column `input_ids` contains list<.*>, but sources are text"):
        mixed(tmp_path / "e", rows, {"weights": {"web": 1}, "column": "input_ids"})
    for name in ("_mix_copies", "_mix_position"):
        with pytest.raises(InvalidJob, match=f"needs the name of the column `{name}` itself"):
            mixed(tmp_path / name, [{"source": "web", name: 1}], {"weights": {"web": 1}})


def test_no_rows_are_a_mixture_without_rows(tmp_path: Path) -> None:
    schema = pa.schema([("id", pa.string()), ("source", pa.string()), ("n", pa.int64())])
    write_parts(tmp_path / "in", [], 1, schema)
    report = run(make_job(tmp_path / "in", tmp_path / "out", [{"mix": {"weights": WEIGHTS}}]))
    assert (report.progress.rows_out, {s.rows for s in report.sources}) == (0, {0})
    [file] = (tmp_path / "out").glob("*.parquet")
    assert pq.read_schema(file).names == ["id", "source", "n"]


def test_rows_with_a_negative_number_of_tokens_fail_and_others_are_mixed(tmp_path: Path) -> None:
    rows = [{"id": i, "source": "ab"[i % 2], "n": -1 if i == 3 else 2} for i in range(20)]
    write_parts(tmp_path / "in", rows, 2)
    step = {"mix": {"weights": {"a": 1, "b": 1}, "tokens": "n"}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step], errors={"policy": "drop"}))
    assert report.steps[1].failed == 1
    assert Counter(row["source"] for row in read_manifest(tmp_path / "out")) == {"a": 9, "b": 9}
    assert {s.source: s.tokens for s in report.sources} == {"a": 18, "b": 18}


def test_sources_are_values_of_any_type() -> None:
    for values in (pa.array([1, 2, None]), pa.array(["1", "2", None]).dictionary_encode(), pa.array(["1", "2", "x"])):
        step = Mix(weights={"1": 1, "2": 3}, column="s")
        assert step.members(Batch(pa.table({"s": values}))).source.tolist() == [0, 1, -1]


def test_add_columns_sets_the_source_of_all_rows(tmp_path: Path) -> None:
    for name in ("web", "code"):
        write_parts(tmp_path / name, [{"id": f"{name}-{i}"} for i in range(6)], 2)
    sources = [
        {"parquet": {"paths": [str(tmp_path / name)], "includePath": "path", "addColumns": {"source": name}}}
        for name in ("web", "code")
    ]
    job = make_job(tmp_path, tmp_path / "out", [{"mix": {"weights": {"web": 0.5, "code": 0.5}, "by": ["id"]}}], sources=sources)
    run(job)
    result = read_manifest(tmp_path / "out")
    assert len(result) == 12 and all(row["id"].startswith(row["source"]) for row in result)
    for column in ("id", "path"):
        sources[0]["parquet"]["addColumns"] = {column: "x"}
        with pytest.raises(InputError, match=f"addColumns: .* already has a column {column}"):
            run(make_job(tmp_path, tmp_path / f"out-{column}", sources=sources))


def test_the_report_states_requested_and_reached_shares(tmp_path: Path) -> None:
    report = mixed(tmp_path, rows_of({"web": 50, "<b>": 10}), {"weights": {"web": 0.8, "<b>": 0.2}, "stop": "allExhausted"})
    assert report_text(report, color=False).split("\n")[9:11] == ["mix", "  web     50          80.6%      80.0%    1.00"]
    page = render(report)
    assert "&lt;b&gt;" in page and "<b></th>" not in page and "<h2>Sources</h2>" in page


@pytest.mark.parametrize("seed", range(3))
def test_sizes_have_the_shares_of_the_weights(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        weights = [chance.choice((0.1, 0.3, 1 / 3, 1, 7.25)) for _ in range(chance.randrange(1, 6))]
        available = [chance.randrange(1, 10 ** chance.randrange(1, 12)) for _ in weights]
        total, most = chance.choice((None, chance.randrange(1, 10**6))), chance.choice((None, 1.5, 4.0))
        repeat = total is None and chance.random() < 0.5
        check_sizes(weights, available, total, most, repeat)


def check_sizes(
    weights: Sequence[float], available: Sequence[int], total: int | None, most: float | None, repeat: bool
) -> None:
    """The properties that hold for all weights."""
    sizes = sizes_of(weights, available, total, most, repeat)
    case = (weights, available, total, most, repeat, sizes)
    exact = [Fraction(repr(weight)) for weight in weights]
    assert all(size >= 0 for size in sizes) and (total is None or sum(sizes) == total), case
    for size, weight in zip(sizes, exact, strict=True):
        assert abs(size - sum(sizes) * weight / sum(exact)) <= len(sizes), case
    if repeat:
        assert all(size >= there for size, there in zip(sizes, available, strict=True)), case
        assert any(size == there for size, there in zip(sizes, available, strict=True)), case
    elif total is None:
        limits = [Fraction(repr(most or 1)) * there for there in available]
        assert all(size <= limit for size, limit in zip(sizes, limits, strict=True)), case
        assert any(limit - size < 1 for size, limit in zip(sizes, limits, strict=True)), case


@pytest.mark.parametrize(
    "step",
    [
        {},
        {"weights": {}},
        {"weights": {"a": 0}},
        {"weights": {"a": -1}},
        {"weights": {"a": 1}, "total": 5, "stop": "allExhausted"},
        {"weights": {"a": 1}, "maxEpochs": 0.5},
    ],
)
def test_invalid_parameters_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mix.model_validate(step)
