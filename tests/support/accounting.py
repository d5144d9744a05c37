"""The identity that every complete job keeps: rows read = rows written + rejected + failed."""

from datajob.api.datajob import DataJob
from datajob.api.report import WRITE, Report
from datajob.operators.base import FlatMap, Global, Repartition


def assert_accounts(job: DataJob, report: Report) -> None:
    """Each step passes on, rejects or fails each of its rows, and so does the job.

    Left out are steps that make rows of their own, totals that count the rows of a side source, and jobs with a `limit`,
    which stops reading.
    """
    operators = [step.chosen.resolved() for step in job.spec.steps]
    keys = {step.chosen.key for step in job.spec.steps}
    if report.state != "complete" or "limit" in keys:
        return
    changing = {
        step.chosen.key
        for step, operator in zip(job.spec.steps, operators, strict=True)
        if isinstance(operator, FlatMap | Repartition)
    }
    for step in report.steps:
        if step.name.split("-")[0] not in {*changing, WRITE}:
            assert step.rows_in == step.rows_out + sum(step.rejected.values()) + step.failed, f"step {step.name}: {step}"
    if changing or any(isinstance(operator, Global) and operator.side_sources() for operator in operators):
        return
    progress = report.progress
    accounted = progress.rows_out + progress.rows_rejected + progress.rows_failed
    assert progress.rows_in == accounted, f"{progress.rows_in} rows read, {accounted} accounted for: {report.steps}"
