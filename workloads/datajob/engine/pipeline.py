"""The phases of a run, one after the other. Each is yielded to the driver, which runs it and sends back its records.

Keys of a phase's units derive from the recipe so far and from the keys of what they read, so that a change anywhere
before a unit makes it a new one, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import digest
from datajob.engine.dedup.stages import deduplicate, deduplicate_stages
from datajob.engine.exchange.blocks import read_blocks
from datajob.engine.input.inputs import FragmentInput, IntermediateInput, PartitionInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.stage import Context, Records, Stage, StageResult, Stages, Upstream, from_fragments, intermediate_folder
from datajob.engine.worker.outputs import ExchangeOutput, IntermediateOutput, SinkOutput
from datajob.operators.base import Batch, Deduplicate, Head, Repartition

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Context", "Records", "Stage", "flow", "stage_count"]


def flow(context: Context, fuse: Sequence[FusedSteps], source: FragmentInput) -> Stages:
    """All phases of a job, from its input to its sink."""
    upstream = from_fragments(source)
    for number, fused in enumerate(fuse, start=1):
        name = f"{number:02}-rows"
        recipe = digest(context.recipe, [s.operator.identity() for s in fused.steps])
        if fused.ends is None:
            recipe = digest(recipe, context.writer.model_dump(mode="json"))
            stage = context.rows(name, upstream.source, fused, SinkOutput(context.writer), upstream.shards(recipe))
            return (yield stage)
        operator = fused.ends.operator
        recipe = digest(recipe, operator.identity())
        if isinstance(operator, Deduplicate):
            upstream = yield from deduplicate(context, name, recipe, fused, fused.ends, operator, upstream)
        elif isinstance(operator, Head):
            upstream = yield from _head(context, name, recipe, fused, fused.ends, operator, upstream)
        else:
            assert isinstance(operator, Repartition)
            upstream = yield from _repartition(context, name, recipe, fused, fused.ends, operator, upstream)
    raise AssertionError("the last segment ends in the sink")


def stage_count(fused: FusedSteps) -> int:
    """How many phases a segment with its global step takes."""
    operator = fused.ends.operator if fused.ends else None
    if isinstance(operator, Deduplicate):
        return deduplicate_stages(operator)
    if isinstance(operator, Repartition):
        return 1 + len(operator.side_sources()) + _is_sampled(operator)
    return 1


def _is_sampled(operator: Repartition) -> bool:
    return type(operator).sample is not Repartition.sample


def _head(
    context: Context, name: str, recipe: str, fused: FusedSteps, step: Step, operator: Head, upstream: Upstream
) -> StageResult:
    limit = operator.rows()
    shards = upstream.shards(recipe)
    stage = IntermediateOutput(context.sink, intermediate_folder(name))

    def stop_when(records: Records) -> bool:
        return sum(r.rows for r in _leading(records)) >= limit

    records = yield replace(context.rows(name, upstream.source, fused, stage, shards), stop_when=stop_when)
    take: list[int] = []
    for record in _leading(records):
        if (left := limit - sum(take)) <= 0:
            break
        take.append(min(record.rows, left))
    shards = shards[: len(take)]
    source = IntermediateInput(context.sink, tuple(map(stage.rows_name, shards)), step, take=tuple(take))
    identities = tuple((u.key, wanted) for u, wanted in zip(shards, take, strict=True))
    return Upstream(source, identities, tuple(u.weight for u in shards))


def _leading(records: Records) -> list[Record]:
    """Records of the units from the first on, up to the first one that is missing."""
    found: list[Record] = []
    while len(found) in records:
        found.append(records[len(found)])
    return found


def _repartition(
    context: Context, name: str, recipe: str, fused: FusedSteps, step: Step, operator: Repartition, upstream: Upstream
) -> StageResult:
    import pyarrow as pa

    partitions = context.partitions(operator)
    samples: pa.Table | None = None
    shards = upstream.shards(recipe)
    if _is_sampled(operator) and partitions > 1:
        stage = IntermediateOutput(context.sink, intermediate_folder(name), step.name, sampled=operator)
        yield context.rows(name, upstream.source, fused, stage, shards)
        tables = [t for u in shards for t in read_blocks(context.sink, stage.side_name(u))]
        samples = pa.concat_tables(tables) if tables else None
        staged = IntermediateInput(context.sink, tuple(map(stage.rows_name, shards)))
        upstream = Upstream(staged, tuple(u.key for u in shards), upstream.weights)
        fused = FusedSteps((), None)
        recipe = digest(recipe, [u.key for u in shards])
        name = f"{name}-exchange"
        shards = upstream.shards(recipe)

    exchanges: list[tuple[str, ...]] = []
    keys: list[str] = []
    inputs = [upstream, *map(from_fragments, context.side_inputs(step))]
    for number, side in enumerate(inputs):
        shards = side.shards(digest(recipe, number))
        exchange = ExchangeOutput(context.sink, intermediate_folder(name), step.name, operator, number, partitions, samples)
        where = fused if number == 0 else FusedSteps((), None)
        yield context.rows(f"{name}-{number}" if number else name, side.source, where, exchange, shards)
        exchanges.append(tuple(map(exchange.name, shards)))
        keys += [u.key for u in shards]
    schemas = tuple(_prepared(context.sink, operator, n, names, inputs[n]) for n, names in enumerate(exchanges))
    source = PartitionInput(context.sink, step.name, operator, partitions, tuple(exchanges), schemas)
    weight = max(1, sum(upstream.weights) // partitions)
    return Upstream(source, tuple((digest(keys), p) for p in range(partitions)), (weight,) * partitions)


def _prepared(sink: str, operator: Repartition, source: int, names: Sequence[str], side: Upstream) -> pa.Schema:
    """Columns of an exchange, from its first file; of a source that gave no rows, from those of its reader."""
    import pyarrow as pa

    for name in names:
        for table in read_blocks(sink, name):
            return table.schema
    schema = side.source.schema if isinstance(side.source, FragmentInput) else pa.schema([])
    return operator.prepare(Batch(schema.empty_table()), source).schema if len(schema) else schema
