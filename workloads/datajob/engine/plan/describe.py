"""The plan of a job as text, for `datajob run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from datajob.api.datajob import DataJob
from datajob.api.spec import Errors
from datajob.engine.plan.fused import plan_job
from datajob.operators.base import Deduplicate, Global, Head, Ranking, Repartition
from datajob.operators.table.mix import Mix


def describe(job: DataJob) -> str:
    """One line per source, per sequence of fused steps, per global step and per output."""
    return "\n".join(_lines(job))


def _lines(job: DataJob) -> Iterator[str]:
    spec = job.spec
    yield f"DataJob {job.metadata.name}"
    for source in spec.sources:
        yield f"  read     {source.key}: {source.chosen.described()}"
    for fused in plan_job(spec).cuts:
        workers = "accelerator workers" if fused.accelerated else "CPU workers"
        if fused.steps:
            yield f"  fused    {' -> '.join(s.name for s in fused.steps)} (on {workers})"
        if fused.global_step is not None:
            yield f"  global   {fused.global_step.name}: {_global(fused.global_step.operator)}"
    yield f"  write    {spec.sink.key}: {spec.sink.chosen.path} (mode {spec.sink.chosen.mode})"
    if spec.rejects:
        yield f"  rejects  {spec.rejects.path}"
    yield f"  errors   {_errors(spec.errors)}"


def _errors(errors: Errors) -> str:
    if errors.policy == "fail":
        return "fail at the first failed row"
    folder = f" to {errors.path}" if errors.path else ""
    return f"{errors.policy} failed rows{folder}, at most {errors.max_ratio:.2%} of the rows"


def _global(operator: Global) -> str:
    if isinstance(operator, Deduplicate):
        return "exchange signatures by hash, then filter each shard"
    if isinstance(operator, Repartition):
        return "exchange rows between partitions, then combine each partition"
    if isinstance(operator, Mix):
        return "find the rows to take of each source, then filter each shard"
    if isinstance(operator, Ranking):
        return "find the rank of the last row to keep, then filter each shard"
    assert isinstance(operator, Head)
    return f"keep the first {operator.rows()} rows in input order"
