"""The plan of a job as text, for `datajob run --dry-run`."""

from __future__ import annotations

from collections.abc import Iterator

from datajob.api.datajob import DataJob
from datajob.engine.plan.fused import plan_job
from datajob.operators.base import Deduplicate, Global, Head, Repartition


def describe(job: DataJob) -> str:
    """One line per source, per stage and per place that is written to."""
    return "\n".join(_lines(job))


def _lines(job: DataJob) -> Iterator[str]:
    spec = job.spec
    yield f"DataJob {job.metadata.name}"
    for source in spec.sources:
        yield f"  read     {source.key}: {', '.join(source.chosen.paths)}"
    for number, fused in enumerate(plan_job(spec).cuts, start=1):
        workers = "accelerator workers" if fused.accelerated else "CPU workers"
        names = " -> ".join(s.name for s in fused.steps) or "no row-local steps"
        yield f"  stage {number}  on {workers}: {names}"
        if fused.global_step is not None:
            yield f"  global   {fused.global_step.name}: {_global(fused.global_step.operator)}"
    yield f"  write    {spec.sink.key}: {spec.sink.chosen.path} (mode {spec.sink.chosen.mode})"
    if spec.rejects:
        yield f"  rejects  {spec.rejects.path}"
    folder = f" to {spec.errors.path}" if spec.errors.path else ""
    yield f"  errors   {spec.errors.policy}{folder}, at most {spec.errors.max_ratio:.2%} of the rows"


def _global(operator: Global) -> str:
    if isinstance(operator, Deduplicate):
        return "exchange signatures by hash, then filter each shard"
    if isinstance(operator, Repartition):
        return "exchange rows between partitions, then combine each partition"
    assert isinstance(operator, Head)
    return f"keep the first {operator.rows()} rows in input order"
