"""Cuts the steps of a job into fused steps, each followed by a global step or by the sink. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from datajob.api.spec import DataJobSpec
from datajob.engine.plan.steps import Step
from datajob.operators.base import Filter, Global, Model, Observe, Operator


@dataclass(frozen=True)
class FusedSteps:
    """Consecutive row-local steps that process each batch without writing it in between."""

    steps: tuple[Step[Operator], ...]
    global_step: Step[Global] | None = None
    """The step that receives their rows; None: the sink does."""

    @property
    def inference(self) -> bool:
        """True if one of them runs a model."""
        return any(isinstance(s.operator, Model) for s in self.steps)

    @property
    def loads_models(self) -> bool:
        """True if one of them runs a model that the job loads."""
        return any(isinstance(s.operator, Model) and not s.operator.remote() for s in self.steps)

    @property
    def accelerated(self) -> bool:
        """True if they must run on the accelerator group."""
        return any(isinstance(s.operator, Model) and s.operator.accelerated() for s in self.steps)


@dataclass(frozen=True)
class StepPlan:
    """The steps of a job, and how they are cut."""

    steps: tuple[Step[Operator], ...]
    cuts: tuple[FusedSteps, ...]

    @property
    def inference(self) -> bool:
        """True if a step runs a model."""
        return any(fused.inference for fused in self.cuts)

    @property
    def loads_models(self) -> bool:
        """True if a step runs a model that the job loads."""
        return any(fused.loads_models for fused in self.cuts)


def plan_job(spec: DataJobSpec) -> StepPlan:
    """The plan of a job. Raises InvalidJob if a user function or class of a step cannot be found."""
    steps = tuple(part for step in job_steps(spec) for part in _parts(step))
    return StepPlan(steps, fuse(steps))


def job_steps(spec: DataJobSpec) -> tuple[Step[Operator], ...]:
    """The steps with their names in reports. Steps that observe rows are given the filters of the job."""
    named = zip(spec.step_names(), spec.operators(), strict=True)
    found = {name: operator.resolved().at_step(name) for name, operator in named}
    filters = {name: operator for name, operator in found.items() if isinstance(operator, Filter)}
    steps = (Step(name, o.with_job_filters(filters) if isinstance(o, Observe) else o) for name, o in found.items())
    return tuple(_with_item_columns(steps))


def _with_item_columns(steps: Iterable[Step[Operator]]) -> Iterator[Step[Operator]]:
    """The steps. Those that remove items from lists also trim the columns that earlier steps have written for these items."""
    per_item: dict[str, tuple[str, ...]] = {}
    for step in steps:
        operator = step.operator
        trimmed, (column, columns) = operator.trims(), operator.item_columns()
        yield step if trimmed is None else Step(step.name, operator.trimming(per_item.get(trimmed[0], ())))
        replaced = operator.written()
        per_item = {
            operator.renamed(name): tuple(operator.renamed(other) for other in others if other not in replaced)
            for name, others in per_item.items()
        }
        per_item[column] = (*per_item.get(column, ()), *columns)


def _parts(step: Step[Operator]) -> tuple[Step[Operator], ...]:
    first, *others = step.operator.expanded()
    return Step(step.name, first), *(Step(f"{step.name}-{other.key}", other) for other in others)


def fuse(steps: Sequence[Step[Operator]]) -> tuple[FusedSteps, ...]:
    """Cut `steps` after each global step. The last fused steps, possibly none, end in the sink."""
    found: list[FusedSteps] = []
    current: list[Step[Operator]] = []
    for step in steps:
        if isinstance(step.operator, Global):
            found.append(FusedSteps(tuple(current), Step(step.name, step.operator)))
            current = []
        else:
            current.append(step)
    return (*found, FusedSteps(tuple(current)))


def cost_unknown(steps: Sequence[Step[Operator]]) -> bool:
    """True if the size of the sources does not indicate the work: that of a step is unknown, or further sources are read."""
    operators = [s.operator for s in steps]
    return any(o.cost_unknown() or (isinstance(o, Global) and o.side_sources()) for o in operators)
