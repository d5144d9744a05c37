"""Global operators compared with plain Python; the result does not depend on how the input is cut."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "text": f"text {i * 7919 % 200}", "score": (i * 31) % 101, "group": f"g{i % 5}"} for i in range(600)]


def first_of_each(rows: Rows, *columns: str) -> Rows:
    seen: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        seen.setdefault(tuple(row[c] for c in columns), row)
    return list(seen.values())


CASES: dict[str, tuple[dict[str, Any], Rows, bool]] = {
    "exactDedup keeps the first": ({"exactDedup": {"columns": ["text"]}}, first_of_each(ROWS, "text"), True),
    "distinct by columns": ({"distinct": {"columns": ["group", "score"]}}, first_of_each(ROWS, "group", "score"), True),
    "limit": ({"limit": {"count": 137}}, ROWS[:137], True),
    "limit above the input": ({"limit": {"count": 10_000}}, ROWS, True),
    "sort": ({"sort": {"by": ["score"]}}, sorted(ROWS, key=lambda r: r["score"]), True),
    "top": ({"top": {"by": "score", "fraction": 0.1}}, [r for r in ROWS if r["score"] > 90], True),
    "groupBy": (
        {
            "groupBy": {
                "by": ["group"],
                "aggregates": {"n": {"function": "count"}, "most": {"function": "max", "column": "score"}},
            }
        },
        [{"group": f"g{g}", "n": 120, "most": max(r["score"] for r in ROWS if r["group"] == f"g{g}")} for g in range(5)],
        False,
    ),
    "mix": ({"mix": {"column": "group", "weights": {f"g{g}": 1 for g in range(5)}}}, ROWS, False),
    "shuffle": ({"shuffle": {"seed": 1}}, ROWS, False),
}


@pytest.mark.parametrize("shard_bytes", [500, 5_000, 10_000_000])
@pytest.mark.parametrize("case", CASES)
def test_a_global_operator_gives_the_rows_of_plain_python(case: str, shard_bytes: int, tmp_path: Path) -> None:
    step, expected, ordered = CASES[case]
    write_parts(tmp_path / "in", ROWS, 12)
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]), shard_bytes=shard_bytes)
    found = read_manifest(tmp_path / "out")
    key = list(found[0])
    order = lambda rows: rows if ordered else sorted(rows, key=lambda r: [str(r[k]) for k in key])  # noqa: E731
    assert order(found) == order(expected)
    assert report.progress.rows_out == len(expected)


@pytest.mark.parametrize("partitions", [1, 3, 17])
@pytest.mark.parametrize("case", CASES)
def test_the_number_of_partitions_changes_no_row(
    case: str, partitions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    step, expected, ordered = CASES[case]
    write_parts(tmp_path / "in", ROWS, 12)
    monkeypatch.setattr(
        "datajob.engine.stage.Context.partitions", lambda self, operator, growth=1.0: 1 if _single(operator) else partitions
    )
    run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    found = read_manifest(tmp_path / "out")
    if ordered:
        assert found == expected
    assert sorted(map(str, found)) == sorted(map(str, expected))


def _single(operator: Any) -> bool:
    return getattr(operator, "single_partition", lambda: False)()


def test_a_join_with_a_second_source_matches_rows_on_keys(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 12)
    write_parts(tmp_path / "names", [{"group": f"g{g}", "name": f"name {g}"} for g in range(3)], 2)
    right = {"parquet": {"paths": [str(tmp_path / "names")]}}
    run(make_job(tmp_path / "in", tmp_path / "out", [{"join": {"right": right, "by": ["group"], "how": "inner"}}]))
    expected = [{**r, "name": f"name {r['group'][1:]}"} for r in ROWS if r["group"] in ("g0", "g1", "g2")]
    assert sorted(map(str, read_manifest(tmp_path / "out"))) == sorted(map(str, expected))


def test_steps_after_global_steps_receive_their_rows(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 12)
    steps = [
        {"filter": {"where": "score > 10"}},
        {"exactDedup": {"columns": ["text"]}},
        {"compute": {"columns": {"twice": "score * 2"}}},
        {"sort": {"by": ["twice", "id"]}},
        {"limit": {"count": 20}},
        {"select": {"columns": ["id", "twice"]}},
    ]
    report = run(make_job(tmp_path / "in", tmp_path / "out", steps))
    kept = first_of_each([r for r in ROWS if r["score"] > 10], "text")
    expected = sorted(({"id": r["id"], "twice": r["score"] * 2} for r in kept), key=lambda r: (r["twice"], r["id"]))[:20]
    assert read_manifest(tmp_path / "out") == expected
    counts = {s.name: (s.rows_in, s.rows_out) for s in report.steps}
    assert counts["exactDedup"][1] == len(kept)
    assert counts["limit"][1] == counts["select"][0] == 20


def test_a_limit_stops_reading_once_it_has_enough(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 60)
    report = run(make_job(tmp_path / "in", tmp_path / "out", [{"limit": {"count": 10}}]), shard_bytes=500)
    assert report.steps[0].rows_in < len(ROWS) / 2
