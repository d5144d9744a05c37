"""Derives a job that only measures: the sources and first steps of another job, followed by an `analyze` step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.api.datajob import DataJob
from datajob.api.problems import closest
from datajob.api.spec import Errors
from datajob.engine.plan.fused import job_steps
from datajob.engine.plan.steps import Step
from datajob.errors import InvalidJob
from datajob.operators.base import Batch, Filter, FlatMap, ModelFilter, Observe, Operator
from datajob.operators.media.bases import MediaFilter
from datajob.operators.registry import all_operators, filter_with_limits
from datajob.operators.table.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa


_OF_MEDIA = (MediaFilter, ModelFilter)
"""Filters that measure no texts."""


class InputSample(Sample):
    """Sample the input, independently of the `sample` steps of the job."""


class NoRows(FlatMap):
    """Discard all rows: the job only produces a report."""

    def expand(self, batch: Batch) -> pa.Table:
        """No rows."""
        return batch.table.slice(0, 0)


@dataclass(frozen=True)
class Analysis:
    """What to measure, and for which rows."""

    column: str | None = None
    """Text column; None: that of the first filter with limits in the job, otherwise `text`."""
    columns: tuple[str, ...] = ()
    """Numeric columns whose values are measured."""
    measures: tuple[str, ...] = ()
    """Operators to measure with, in addition to the filters of the job; empty: the defaults of `analyze`."""
    sample: float = 1.0
    """Share of the rows to measure."""
    after: str | None = None
    """Name of the last step to run before measuring; None: measure the rows of the sources."""


def analysis_job(job: DataJob, wanted: Analysis, folder: str) -> DataJob:
    """The job that measures. It writes no rows, only a report in `folder`.

    Raises InvalidJob if a step or a measure does not exist.
    """
    steps = job_steps(job.spec)
    filters = {step.name: step.operator for step in steps if isinstance(step.operator, Filter)}
    limited = [rule for rule in filters.values() if rule.bounds()]
    scored = _scored(filters, wanted.measures)
    filters |= {name: rule.measuring_from(_column(name)) for name, rule in scored.items() if name in filters}
    analyze = all_operators()["analyze"].model_validate(_parameters(wanted, limited))
    assert isinstance(analyze, Observe)
    spec = job.spec.model_dump(include={"sources", "runtime", "resources"})
    spec["steps"] = [
        *([_custom(InputSample, fraction=wanted.sample)] if wanted.sample < 1 else []),
        *({step.key: step.chosen} for step in job.spec.steps[: _steps_before(steps, wanted.after)]),
        *({rule.key: rule.only_measuring(_column(name))} for name, rule in scored.items()),
        {"analyze": analyze.with_job_filters(filters)},
        _custom(NoRows),
    ]
    spec["sink"] = {"parquet": {"path": folder}}
    quarantine = job.spec.errors.policy == "quarantine"
    spec["errors"] = Errors(policy="drop", max_ratio=job.spec.errors.max_ratio) if quarantine else job.spec.errors
    return DataJob.model_validate({**job.model_dump(exclude={"spec"}), "spec": spec})


def _scored(filters: Mapping[str, Filter], measures: Sequence[str]) -> dict[str, ModelFilter]:
    """The filters to measure that need a model, by name: the model runs before `analyze`."""
    found = {name: rule for name, rule in filters.items() if isinstance(rule, ModelFilter) and rule.bounds()}
    others = set(measures) - {rule.key for rule in filters.values() if rule.bounds()}
    for key in dict.fromkeys(measures):
        if key in others and issubclass(kind := _measured(key), ModelFilter):
            found[key] = kind.model_validate({})
    return found


def _column(name: str) -> str:
    """The column for the measure of a filter that needs a model."""
    return f"_{name}"


def is_analysis(steps: Sequence[Step[Operator]]) -> bool:
    """True if the job has these steps from `analysis_job`: its result is the report alone."""
    return bool(steps) and isinstance(steps[-1].operator, NoRows)


def _custom(operator: type[Operator], **params: Any) -> dict[str, Any]:
    return {"custom": {"operator": f"{__name__}:{operator.__name__}", "params": params}}


def _parameters(wanted: Analysis, limited: Sequence[Filter]) -> dict[str, Any]:
    """Parameters of the `analyze` step: those requested, otherwise those of the filters of the job."""
    columns = [value for rule in limited if (value := getattr(rule, "column", None)) and not isinstance(rule, _OF_MEDIA)]
    only_media = all(isinstance(rule, _OF_MEDIA) for rule in limited) and all(
        issubclass(_measured(measure), _OF_MEDIA) for measure in wanted.measures
    )
    if only_media and (limited or wanted.measures) and not wanted.column:
        return {"column": None, "measures": wanted.measures, **({"columns": wanted.columns} if wanted.columns else {})}
    tokenizers = [value for rule in limited if (value := getattr(rule, "tokenizer", None)) in ("unicode", "whitespace")]
    return {
        "column": wanted.column or next(iter(columns), "text"),
        **({"tokenizer": tokenizers[0]} if tokenizers else {}),
        **({"measures": wanted.measures} if wanted.measures else {}),
        **({"columns": wanted.columns} if wanted.columns else {}),
    }


def _measured(key: str) -> type[Filter]:
    """The filter to measure with this key. Raises InvalidJob."""
    try:
        return filter_with_limits(key)
    except ValueError as error:
        raise InvalidJob(str(error)) from error


def _steps_before(steps: Sequence[Step[Operator]], after: str | None) -> int:
    names = [step.name for step in steps]
    if after is None:
        return 0
    if after not in names:
        suggestion = closest(after, names)
        known = ", ".join(names) or "none"
        raise InvalidJob(f"the job has no step {after} (steps: {known})" + (f". {suggestion}" if suggestion else ""))
    return names.index(after) + 1
