"""A job that only measures: the sources of another job, its steps up to a point, and what its filters would drop there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.api.datajob import DataJob
from datajob.api.problems import closest
from datajob.api.spec import Errors
from datajob.engine.plan.fused import job_steps
from datajob.engine.plan.steps import Step
from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Filter, FlatMap, Observe, Operator
from datajob.operators.registry import all_operators, filter_with_limits
from datajob.operators.table.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa


class InputSample(Sample):
    """The share of the input that is looked at: drawn independently of the `sample` steps of the job."""


class NoRows(FlatMap):
    """The end of a job whose rows nobody wants."""

    def expand(self, batch: Batch) -> pa.Table:
        """None of the rows."""
        return batch.table.slice(0, 0)


@dataclass(frozen=True)
class Analysis:
    """What to measure, and of which rows."""

    column: str | None = None
    """The text; None: that of the job's first filter that has limits, else `text`."""
    columns: tuple[str, ...] = ()
    """Numeric columns to describe as they are."""
    measures: tuple[str, ...] = ()
    """Operators whose measures are taken besides those of the job; empty: the usual ones."""
    sample: float = 1.0
    """Share of the rows that is looked at."""
    after: str | None = None
    """Name of the last step that is done before; None: no step is."""


def analysis_job(job: DataJob, wanted: Analysis, folder: str) -> DataJob:
    """The job that measures; it writes no rows, only its report, into `folder`.

    Raises InvalidJob for an unknown step or measure.
    """
    steps = job_steps(job.spec)
    filters = {step.name: step.operator for step in steps if isinstance(step.operator, Filter)}
    limited = [rule for rule in filters.values() if rule.bounds()]
    analyze = all_operators()["analyze"].model_validate(_parameters(wanted, limited))
    assert isinstance(analyze, Observe)
    spec = job.spec.model_dump(include={"sources", "runtime", "resources"})
    spec["steps"] = [
        *([_custom(InputSample, fraction=wanted.sample)] if wanted.sample < 1 else []),
        *({step.key: step.chosen} for step in job.spec.steps[: _steps_before(steps, wanted.after)]),
        {"analyze": analyze.with_job_filters(filters)},
        _custom(NoRows),
    ]
    spec["sink"] = {"parquet": {"path": folder}}
    quarantine = job.spec.errors.policy == "quarantine"
    spec["errors"] = Errors(policy="drop", max_ratio=job.spec.errors.max_ratio) if quarantine else job.spec.errors
    return DataJob.model_validate({**job.model_dump(exclude={"spec"}), "spec": spec})


def _custom(operator: type[Operator], **params: Any) -> dict[str, Any]:
    return {"custom": {"operator": f"{__name__}:{operator.__name__}", "params": params}}


def _parameters(wanted: Analysis, limited: Sequence[Filter]) -> dict[str, Any]:
    """Of the `analyze` step: what is asked for, else as the job's filters have it."""
    for measure in wanted.measures:
        try:
            filter_with_limits(measure)
        except ValueError as error:
            raise InvalidJob(str(error)) from error
    columns = [value for rule in limited if (value := getattr(rule, "column", None))]
    tokenizers = [value for rule in limited if (value := getattr(rule, "tokenizer", None)) in ("unicode", "whitespace")]
    return {
        "column": wanted.column or next(iter(columns), "text"),
        **({"tokenizer": tokenizers[0]} if tokenizers else {}),
        **({"measures": wanted.measures} if wanted.measures else {}),
        **({"columns": wanted.columns} if wanted.columns else {}),
    }


def _steps_before(steps: Sequence[Step], after: str | None) -> int:
    names = [step.name for step in steps]
    if after is None:
        return 0
    if after not in names:
        said = closest(after, names)
        raise InvalidJob(f"the job has no step {after}; it has {', '.join(names) or 'none'}" + (f". {said}" if said else ""))
    return names.index(after) + 1
