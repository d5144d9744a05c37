"""The stages of a repartition: sample the rows if their order matters, then route them to partitions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from datajob.engine.commit.shard import digest
from datajob.engine.empty_tables import after_steps
from datajob.engine.exchange.blocks import read_blocks
from datajob.engine.input.inputs import FragmentInput, IntermediateInput, PartitionInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.repartition.outputs import ExchangeOutput, Samples
from datajob.engine.stage import Context, Records, Stage, StageResult, Upstream, from_fragments, intermediate_folder
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.outputs import IntermediateOutput
from datajob.formats._columns import empty_table
from datajob.operators.base import Batch, Operator, Repartition

if TYPE_CHECKING:
    import pyarrow as pa


def repartition_stages(operator: Repartition) -> int:
    """Maximum number of stages of a repartition."""
    return 1 + len(operator.side_sources()) + _needs_samples(operator)


def repartition(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Repartition], upstream: Upstream
) -> StageResult:
    """Exchange the rows of all sources, and return the combined partitions."""
    operator, partitions = step.operator, context.partitions(step.operator, upstream.growth)
    samples: pa.Table | None = None
    origin, before = upstream, fused
    sampled = _needs_samples(operator) and partitions > 1
    if sampled:
        samples, fingerprint, upstream = yield from _sample(context, name, fingerprint, fused, step, upstream)
        fused, name = FusedSteps(()), f"{name}-exchange"

    exchanges: list[tuple[str, ...]] = []
    keys: list[str] = []
    sources = [upstream, *map(from_fragments, context.side_inputs(step.operator))]
    for number, source in enumerate(sources):
        shards = source.shards(digest(fingerprint, number))
        output = ExchangeOutput(
            context.sink, intermediate_folder(name), step, number, partitions, samples, sampled and number == 0
        )
        steps = fused if number == 0 else FusedSteps(())
        yield context.rows(f"{name}-{number}" if number else name, source.intake, steps, output, shards)
        exchanges.append(tuple(map(output.name, shards)))
        keys += [s.key for s in shards]
    origins = [(origin, before.steps), *((source, ()) for source in sources[1:])]
    schemas = tuple(_prepared_schema(context.sink, operator, n, names, *origins[n]) for n, names in enumerate(exchanges))
    combined = PartitionInput(context.sink, step.name, operator, partitions, tuple(exchanges), schemas)
    weight = max(1, sum(upstream.weights) // partitions)
    return Upstream(Intake(combined), tuple((digest(keys), p) for p in range(partitions)), (weight,) * partitions, step)


def _needs_samples(operator: Repartition) -> bool:
    return type(operator).sample is not Repartition.sample


def _sample(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Repartition], upstream: Upstream
) -> Generator[Stage, Records, tuple[pa.Table | None, str, Upstream]]:
    """Store the rows and sample them. Returns the samples, the fingerprint from here on, and the stored rows."""
    import pyarrow as pa

    shards = upstream.shards(fingerprint)
    output = IntermediateOutput(context.sink, intermediate_folder(name), Samples(step))
    yield context.rows(name, upstream.intake, fused, output, shards)
    tables = [t for s in shards for t in read_blocks(context.sink, output.companion_name(s))]
    samples = pa.concat_tables(tables) if tables else None
    keys = [s.key for s in shards]
    stored = IntermediateInput(context.sink, tuple(map(output.rows_name, shards)))
    return samples, digest(fingerprint, keys), Upstream(Intake(stored), tuple(keys), upstream.weights)


def _prepared_schema(
    sink: str,
    operator: Repartition,
    source: int,
    names: Sequence[str],
    upstream: Upstream,
    steps: Sequence[Step[Operator]],
) -> pa.Schema:
    """Columns of an exchange: those of its first block or, if it has no rows, of its source after `steps`; none if unknown."""
    import pyarrow as pa

    for name in names:
        for table in read_blocks(sink, name):
            return table.schema
    rows = upstream.intake.source
    if not isinstance(rows, FragmentInput):
        return pa.schema([])
    try:
        return operator.prepare(Batch(after_steps(empty_table(rows.schema), steps)), source).schema
    except Exception:  # noqa: BLE001 - operators need not accept a table without rows, nor columns that are unknown
        return pa.schema([])
