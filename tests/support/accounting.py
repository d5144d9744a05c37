"""The identity that every complete job keeps: each row read is written, rejected, failed, aggregated or not read by a limit."""

from itertools import pairwise

from datajob.api.datajob import DataJob
from datajob.api.report import READ, WRITE, Report, StepReport
from datajob.engine import driver
from datajob.engine.attempt import Attempt
from datajob.engine.commit.lock import Lock
from datajob.engine.executors.base import Executor
from datajob.engine.plan.fused import plan_job
from datajob.operators.base import FlatMap, Global, Operator, Repartition


def assert_accounts(job: DataJob, report: Report) -> None:
    """Each step passes on, rejects, fails or leaves unread each of its rows, and the next step receives those it passed on.

    Steps that create rows (flatMap, explode, groupBy, join) pass on other rows than they receive: only the second part holds.
    The rows of a second source (the right side of a join, an older corpus) are read, and reach no step.
    """
    if report.state != "complete":
        return
    operators = [step.operator for step in plan_job(job.spec).steps]
    names = [step.name for step in report.steps]
    assert (names[0], names[-1], len(names)) == (READ, WRITE, len(operators) + 2)
    for step, operator in zip(report.steps, [None, *operators, None], strict=True):
        assert _creates_rows(operator) or _left(step) == 0, f"step {step.name}: {_left(step)} rows are unaccounted for: {step}"
        assert not (_creates_rows(operator) and step.unread), step
    has_sides = any(isinstance(operator, Global) and operator.side_sources() for operator in operators)
    for before, after in pairwise(report.steps):
        of_sides = before.rows_out - after.rows_in if has_sides and before.name == READ else 0
        assert before.rows_out == after.rows_in + max(0, of_sides), f"{before.name} passes on {before.rows_out} rows: {after}"
    assert report.steps[-1].rows_out == report.progress.rows_out
    assert report.progress.rows_in == report.steps[0].rows_in
    assert report.output is None or report.output.rows >= report.progress.rows_out
    if not has_sides and not any(map(_creates_rows, operators)):
        lost = sum(sum(step.rejected.values()) + step.failed + (step.unread or 0) for step in report.steps)
        assert report.progress.rows_in == report.progress.rows_out + lost, report.steps


def _creates_rows(operator: Operator | None) -> bool:
    return isinstance(operator, FlatMap) or (isinstance(operator, Repartition) and not operator.keeps_rows)


def _left(step: StepReport) -> int:
    return step.rows_in - step.rows_out - sum(step.rejected.values()) - step.failed - (step.unread or 0)


def check_every_run() -> None:
    """Check the identity of every run of a driver in this process, however it is started, as part of the run."""
    execute = driver._execute

    def execute_and_check(attempt: Attempt, executor: Executor, lock: Lock, began: float) -> Report:
        report = execute(attempt, executor, lock, began)
        assert_accounts(attempt.job, report)
        return report

    driver._execute = execute_and_check
