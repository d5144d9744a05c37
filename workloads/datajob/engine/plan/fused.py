"""The plan, pure: the steps of a job as segments of row-local steps, each ended by a global step or by the sink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datajob.api.datajob import DataJob
from datajob.api.spec import DataJobSpec
from datajob.engine.plan.steps import Step
from datajob.operators.base import Deduplicate, Filter, Global, Head, Model, Observe, Repartition


@dataclass(frozen=True)
class FusedSteps:
    """Row-local steps that run as one fused pass, and the global step they feed (None: the sink)."""

    steps: tuple[Step, ...]
    ends: Step | None

    @property
    def inference(self) -> bool:
        """True when a model runs in it."""
        return any(isinstance(s.operator, Model) for s in self.steps)

    @property
    def accelerated(self) -> bool:
        """True when it needs the accelerator group."""
        return any(isinstance(s.operator, Model) and s.operator.accelerated() for s in self.steps)


def job_steps(spec: DataJobSpec) -> tuple[Step, ...]:
    """The steps with their report names; those that observe know the filters of the job."""
    found = {
        name: operator.resolved().at_step(name) for name, operator in zip(spec.step_names(), spec.operators(), strict=True)
    }
    filters = {name: operator for name, operator in found.items() if isinstance(operator, Filter)}
    return tuple(Step(name, o.with_job_filters(filters) if isinstance(o, Observe) else o) for name, o in found.items())


def fuse(steps: Sequence[Step]) -> tuple[FusedSteps, ...]:
    """Cut `steps` behind each global step. There is always a last segment, which may be empty, that ends in the sink."""
    found: list[FusedSteps] = []
    current: list[Step] = []
    for step in steps:
        if isinstance(step.operator, Global):
            found.append(FusedSteps(tuple(current), step))
            current = []
        else:
            current.append(step)
    return (*found, FusedSteps(tuple(current), None))


def cost_unknown(steps: Sequence[Step]) -> bool:
    """Whether the size of the sources says nothing about the work: a user's code runs, or other inputs are read."""
    operators = [s.operator for s in steps]
    return any(o.runs_user_code() or (isinstance(o, Global) and o.side_sources()) for o in operators)


def describe(job: DataJob) -> str:
    """The plan as text, for `datajob run --dry-run`."""
    return "\n".join(_describe(job))


def _describe(job: DataJob) -> Iterator[str]:
    spec = job.spec
    yield f"DataJob {job.metadata.name}"
    for source in spec.sources:
        yield f"  read   {source.key}: {', '.join(source.chosen.paths)}"
    for number, fused in enumerate(fuse(job_steps(spec)), start=1):
        where = "accelerator workers" if fused.accelerated else "CPU workers"
        names = " -> ".join(s.name for s in fused.steps) or "(rows as they are)"
        yield f"  pass {number} on {where}, fused: {names}"
        if fused.ends is not None:
            yield f"  global {fused.ends.name}: {_how(fused.ends.operator)}"
    yield f"  write  {spec.sink.key}: {spec.sink.chosen.path} (mode {spec.sink.chosen.mode})"
    if spec.rejects:
        yield f"  rejects to {spec.rejects.path}"
    kept = f" to {spec.errors.path}" if spec.errors.path else ""
    yield f"  rows that fail: {spec.errors.policy}{kept}, at most {spec.errors.max_ratio:.2%} of the rows"


def _how(operator: object) -> str:
    if isinstance(operator, Deduplicate):
        return "signatures are exchanged by hash, then each shard is filtered"
    if isinstance(operator, Repartition):
        return "rows are exchanged into partitions on disk, then combined"
    assert isinstance(operator, Head)
    return f"the first {operator.rows()} rows in the order of the input"
