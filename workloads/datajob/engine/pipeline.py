"""The stages of a run, one after the other. Each is yielded to the driver, which runs it and sends back its records.

The keys of the shards of a stage derive from the fingerprint so far and from the keys of what they read: a change
anywhere before a shard gives it a new key, and nothing else does. The stages of global steps are imported when a job has
such a step.
"""

from __future__ import annotations

from collections.abc import Sequence

from datajob.engine.commit.shard import digest
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.limit import limit
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.stage import Context, StageResult, Stages, Upstream, from_fragments
from datajob.engine.worker.outputs import SinkOutput
from datajob.operators.base import Deduplicate, Global, Head, Ranking, Repartition
from datajob.operators.table.mix import Mix


def job_stages(context: Context, cuts: Sequence[FusedSteps], source: FragmentInput) -> Stages:
    """All stages of a job, from its input to its sink."""
    upstream = from_fragments(source)
    for number, fused in enumerate(cuts, start=1):
        name = f"{number:02}-rows"
        fingerprint = digest(context.fingerprint, [s.operator.identity() for s in fused.steps])
        if fused.global_step is None:
            fingerprint = digest(fingerprint, context.writer.model_dump(mode="json"))
            shards = upstream.shards(fingerprint)
            return (yield context.rows(name, upstream.intake, fused, SinkOutput(context.writer), shards))
        fingerprint = digest(fingerprint, fused.global_step.operator.identity())
        upstream = yield from _global(context, name, fingerprint, fused, fused.global_step, upstream)
    raise AssertionError("the last fused steps end in the sink")


def _global(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Global], upstream: Upstream
) -> StageResult:
    """The stages of a global step and of the row-local steps before it."""
    operator = step.operator
    if isinstance(operator, Deduplicate):
        from datajob.engine.dedup.stages import deduplicate

        return (yield from deduplicate(context, name, fingerprint, fused, Step(step.name, operator), upstream))
    if isinstance(operator, Head):
        return (yield from limit(context, name, fingerprint, fused, Step(step.name, operator), upstream))
    if isinstance(operator, Ranking):
        from datajob.engine.ranking import rank

        return (yield from rank(context, name, fingerprint, fused, Step(step.name, operator), upstream))
    if isinstance(operator, Mix):
        from datajob.engine.mixing import mix

        return (yield from mix(context, name, fingerprint, fused, Step(step.name, operator), upstream))
    assert isinstance(operator, Repartition)
    from datajob.engine.repartition.stages import repartition

    return (yield from repartition(context, name, fingerprint, fused, Step(step.name, operator), upstream))


def stage_count(fused: FusedSteps) -> int:
    """Maximum number of stages of fused steps and the global step after them."""
    operator = fused.global_step.operator if fused.global_step else None
    if isinstance(operator, Deduplicate):
        from datajob.engine.dedup.stages import deduplicate_stages

        return deduplicate_stages(operator)
    if isinstance(operator, Repartition):
        from datajob.engine.repartition.stages import repartition_stages

        return repartition_stages(operator)
    return 2 if isinstance(operator, Ranking | Mix) else 1
