"""A limit stops reading; the report says which rows nobody read. `tests.support.accounting` checks the sums of every run."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from datajob.api.report import Report
from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

ROWS: Rows = [{"id": i, "k": i % 7, "url": f"u{i // 2}", "pad": "x" * 100} for i in range(600)]
LIMIT = {"limit": {"count": 25}}
BEFORE: list[list[dict[str, Any]]] = [
    [{"distinct": {"columns": ["url"]}}],
    [{"exactDedup": {"columns": ["url"]}}],
    [{"sort": {"by": ["id"], "descending": ["id"]}}],
    [{"shuffle": {"seed": 3}}],
    [{"limit": {"count": 300}}],
    [{"limit": {"count": 300}}, {"limit": {"count": 280}}],
    [{"distinct": {"columns": ["url"]}}, {"filter": {"where": "id % 3 > 0"}}],
    [{"sort": {"by": ["k", "id"]}}, {"limit": {"count": 200}}, {"shuffle": {}}],
    [{"groupBy": {"by": ["id"], "aggregates": {"k": {"function": "max", "column": "k"}}}}],
    [{"distinct": {"columns": ["k"]}}],
    [{"map": {"function": "tests.support.engine_functions:refuse_thirteen"}}, {"distinct": {"columns": ["url"]}}],
]


@pytest.fixture(autouse=True)
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several partitions for few rows."""
    monkeypatch.setattr("datajob.engine.stage.PARTITION_BYTES", 8000)


def limited(tmp_path: Path, steps: list[dict[str, Any]], **options: Any) -> Report:
    """The report of a job over 600 rows in 12 files, in many shards."""
    if not (tmp_path / "in").exists():
        write_parts(tmp_path / "in", ROWS, 12)
    return run(make_job(tmp_path / "in", tmp_path / "out", steps, errors={"policy": "drop"}), **options)


@pytest.mark.parametrize("steps", BEFORE, ids=lambda steps: "-".join(next(iter(step)) for step in steps))
def test_rows_that_a_limit_does_not_need_are_counted_where_they_wait(tmp_path: Path, steps: list[dict[str, Any]]) -> None:
    report = limited(tmp_path, [*steps, LIMIT])
    assert report.progress.rows_out == min(25, 7 if "k" in str(steps[0].get("distinct")) else 25)
    accounted = {step.name: step.rejected.get("limit", 0) + (step.unread or 0) for step in report.steps}
    if "groupBy" not in accounted:
        others = sum(step.failed + sum(n for reason, n in step.rejected.items() if reason != "limit") for step in report.steps)
        assert report.progress.rows_in == report.progress.rows_out + sum(accounted.values()) + others


@pytest.mark.parametrize("count", [0, 1, 25, 599, 600, 601])
def test_a_limit_of_any_size_accounts_for_the_rows_of_a_sort(tmp_path: Path, count: int) -> None:
    report = limited(tmp_path, [{"sort": {"by": ["id"]}}, {"limit": {"count": count}}])
    by_name = {step.name: step for step in report.steps}
    assert report.progress.rows_out == min(count, 600)
    unread = sum(by_name[name].unread or 0 for name in ("sort", "limit")) + by_name["limit"].rejected.get("limit", 0)
    assert (by_name["sort"].rows_in, unread) == (600, 600 - min(count, 600))


@pytest.mark.parametrize("seed", range(6))
def test_random_chains_of_limits_account_for_every_row(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    steps: list[dict[str, Any]] = []
    for _ in range(random.randrange(2, 6)):
        steps += random.choice(BEFORE[:5]) if random.random() < 0.6 else [{"limit": {"count": random.randrange(700)}}]
    report = limited(tmp_path, [*steps, {"limit": {"count": random.randrange(1, 80)}}])
    assert report.progress.rows_out == len(read_manifest(tmp_path / "out")), (seed, steps)


def test_a_resumed_run_counts_the_same_rows(tmp_path: Path) -> None:
    steps = [{"distinct": {"columns": ["url"]}}, LIMIT]
    first = limited(tmp_path, steps)
    state = tmp_path / "out/_datajob/run.json"
    state.write_text(state.read_text().replace('"complete"', '"running"'))
    second = limited(tmp_path, steps)
    assert second.shards_reused > 0
    assert [step.model_copy(update={"seconds": 0}) for step in second.steps] == [
        step.model_copy(update={"seconds": 0}) for step in first.steps
    ]


@pytest.mark.ray
def test_a_limit_on_ray_accounts_for_every_row(tmp_path: Path) -> None:
    report = limited(tmp_path, [{"distinct": {"columns": ["url"]}}, LIMIT], executor="ray")
    assert report.progress.rows_out == 25


def test_the_text_of_a_report_states_how_many_rows_were_not_read(tmp_path: Path) -> None:
    from datajob.python.funnel import funnel_html
    from datajob.python.tables import report_text

    report = limited(tmp_path, [{"sort": {"by": ["id"]}}, LIMIT])
    unread = sum(step.unread or 0 for step in report.steps)
    page = (tmp_path / "out/_datajob/report.html").read_text()
    assert unread > 0
    for text in (report_text(report, color=False), funnel_html(report).replace("<code>", "`").replace("</code>", "`")):
        assert "not read: `limit` had enough rows" in text
    assert "not read: <code>limit</code> had enough rows" in page
