"""Random decisions of the steps of one job are independent of each other and reproducible."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_jobs import Rows, make_job, read_manifest, run, write_parts

HALF = {"sample": {"fraction": 0.5}}
SPLIT = {"split": {"parts": {"a": 0.5, "b": 0.5}}}
ROWS: Rows = [{"id": i, "text": f"text {i}"} for i in range(4_000)]

INDEPENDENT = {
    "a sample of a sample": ([HALF, HALF], 1000, None),
    "a split of a sample": ([HALF, SPLIT], 2000, 1000),
    "a split of a part": ([SPLIT, {"filter": {"where": "split = 'a'"}}, {"drop": {"columns": ["split"]}}, SPLIT], 2000, 1000),
    "a sample of a part": ([SPLIT, {"filter": {"where": "split = 'a'"}}, HALF], 1000, None),
    "a split of the first shuffled rows": ([{"shuffle": {}}, {"limit": {"count": 1000}}, SPLIT], 1000, 500),
    "a sample of the first shuffled rows": ([{"shuffle": {}}, {"limit": {"count": 1000}}, HALF], 500, None),
    "shuffled rows that are shuffled again": (
        [{"shuffle": {}}, {"limit": {"count": 2000}}, {"shuffle": {}}, {"limit": {"count": 1000}}, SPLIT],
        1000,
        500,
    ),
    "a sample of distinct rows": ([{"distinct": {}}, {"limit": {"count": 1000}}, HALF], 500, None),
}


@pytest.mark.parametrize("case", INDEPENDENT)
def test_random_steps_of_one_job_are_independent(case: str, tmp_path: Path) -> None:
    steps, expected, in_a = INDEPENDENT[case]
    rows = result_of(tmp_path, steps)
    assert abs(len(rows) - expected) < 5 * expected**0.5
    if in_a is not None:
        assert abs(sum(row["split"] == "a" for row in rows) - in_a) < 5 * in_a**0.5


def test_a_random_step_is_reproducible_and_does_not_depend_on_unrelated_steps(tmp_path: Path) -> None:
    alone = result_of(tmp_path, [HALF], "alone")
    assert result_of(tmp_path, [HALF], "again") == alone
    assert (
        result_of(tmp_path, [{"filter": {"where": "id >= 0"}}, HALF, SPLIT, {"drop": {"columns": ["split"]}}], "among") == alone
    )


def test_the_sample_of_an_analysis_is_independent_of_the_job(tmp_path: Path) -> None:
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions
    from datajob.engine.plan.analysis import Analysis, analysis_job

    write_parts(tmp_path / "in", ROWS, 1)
    job = analysis_job(
        make_job(tmp_path / "in", tmp_path / "out", [HALF]),
        Analysis(columns=("id",), sample=0.5, after="sample"),
        str(tmp_path / "found"),
    )
    report = run_job(job, RunOptions(executor="local"))
    measured = next(measure for measure in report.measures if measure.name == "id")
    assert abs(measured.rows - 1000) < 150


def result_of(folder: Path, steps: list[dict[str, Any]], name: str = "out") -> Rows:
    if not (folder / "in").exists():
        write_parts(folder / "in", ROWS, 4)
    run(make_job(folder / "in", folder / name, steps))
    return read_manifest(folder / name)
