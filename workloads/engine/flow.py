"""The phases of a run, one after the other. Each is yielded to the driver, which runs it and sends back its records.

Keys of a phase's units derive from the recipe so far and from the keys of what they read, so that a change anywhere
before a unit makes it a new one, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workloads.engine.blocks import read_blocks
from workloads.engine.chain import Step
from workloads.engine.duplicates import deduplicate, deduplicate_phases
from workloads.engine.inputs import FragmentInput, PartitionInput, StageInput
from workloads.engine.ledger import Record
from workloads.engine.outputs import ExchangeOutput, SinkOutput, StageOutput
from workloads.engine.phases import Context, Moved, Phase, Phases, Records, Upstream, from_fragments, stage_folder
from workloads.engine.plan import Segment
from workloads.engine.units import digest
from workloads.operators.base import Batch, Deduplicate, Head, Repartition

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Context", "Phase", "Records", "flow", "phase_count"]


def flow(context: Context, segments: Sequence[Segment], source: FragmentInput) -> Phases:
    """All phases of a job, from its input to its sink."""
    upstream = from_fragments(source)
    for number, segment in enumerate(segments, start=1):
        name = f"{number:02}-rows"
        recipe = digest(context.recipe, [s.operator.identity() for s in segment.steps])
        if segment.ends is None:
            recipe = digest(recipe, context.writer.model_dump(mode="json"))
            phase = context.rows(name, upstream.source, segment, SinkOutput(context.writer), upstream.units(recipe))
            return (yield phase)
        operator = segment.ends.operator
        recipe = digest(recipe, operator.identity())
        if isinstance(operator, Deduplicate):
            upstream = yield from deduplicate(context, name, recipe, segment, segment.ends, operator, upstream)
        elif isinstance(operator, Head):
            upstream = yield from _head(context, name, recipe, segment, segment.ends, operator, upstream)
        else:
            assert isinstance(operator, Repartition)
            upstream = yield from _repartition(context, name, recipe, segment, segment.ends, operator, upstream)
    raise AssertionError("the last segment ends in the sink")


def phase_count(segment: Segment) -> int:
    """How many phases a segment with its global step takes."""
    operator = segment.ends.operator if segment.ends else None
    if isinstance(operator, Deduplicate):
        return deduplicate_phases(operator)
    if isinstance(operator, Repartition):
        return 1 + len(operator.side_sources()) + _is_sampled(operator)
    return 1


def _is_sampled(operator: Repartition) -> bool:
    return type(operator).sample is not Repartition.sample


def _head(context: Context, name: str, recipe: str, segment: Segment, step: Step, operator: Head, upstream: Upstream) -> Moved:
    limit = operator.rows()
    units = upstream.units(recipe)
    stage = StageOutput(context.sink, stage_folder(name))

    def enough(records: Records) -> bool:
        return sum(r.rows for r in _leading(records)) >= limit

    records = yield replace(context.rows(name, upstream.source, segment, stage, units), enough=enough)
    take: list[int] = []
    for record in _leading(records):
        if (left := limit - sum(take)) <= 0:
            break
        take.append(min(record.rows, left))
    units = units[: len(take)]
    source = StageInput(context.sink, tuple(map(stage.rows_name, units)), step, take=tuple(take))
    identities = tuple((u.key, wanted) for u, wanted in zip(units, take, strict=True))
    return Upstream(source, identities, tuple(u.weight for u in units))


def _leading(records: Records) -> list[Record]:
    """Records of the units from the first on, up to the first one that is missing."""
    found: list[Record] = []
    while len(found) in records:
        found.append(records[len(found)])
    return found


def _repartition(
    context: Context, name: str, recipe: str, segment: Segment, step: Step, operator: Repartition, upstream: Upstream
) -> Moved:
    import pyarrow as pa

    partitions = context.partitions(operator)
    samples: pa.Table | None = None
    units = upstream.units(recipe)
    if _is_sampled(operator) and partitions > 1:
        stage = StageOutput(context.sink, stage_folder(name), step.name, sampled=operator)
        yield context.rows(name, upstream.source, segment, stage, units)
        tables = [t for u in units for t in read_blocks(context.sink, stage.side_name(u))]
        samples = pa.concat_tables(tables) if tables else None
        staged = StageInput(context.sink, tuple(map(stage.rows_name, units)))
        upstream = Upstream(staged, tuple(u.key for u in units), upstream.weights)
        segment = Segment((), None)
        recipe = digest(recipe, [u.key for u in units])
        name = f"{name}-exchange"
        units = upstream.units(recipe)

    exchanges: list[tuple[str, ...]] = []
    keys: list[str] = []
    inputs = [upstream, *map(from_fragments, context.side_inputs(step))]
    for number, side in enumerate(inputs):
        units = side.units(digest(recipe, number))
        exchange = ExchangeOutput(context.sink, stage_folder(name), step.name, operator, number, partitions, samples)
        where = segment if number == 0 else Segment((), None)
        yield context.rows(f"{name}-{number}" if number else name, side.source, where, exchange, units)
        exchanges.append(tuple(map(exchange.name, units)))
        keys += [u.key for u in units]
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
