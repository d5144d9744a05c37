"""The phases of a run, one after the other. Each is yielded to the driver, which runs it and sends back its records.

Keys of a phase's units derive from the recipe so far and from the keys of what they read, so that a change anywhere
before a unit makes it a new one, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workloads.engine.blocks import read_blocks
from workloads.engine.chain import Step
from workloads.engine.components import repeated
from workloads.engine.inputs import FragmentInput, Input, PartitionInput, StageInput
from workloads.engine.ledger import Record
from workloads.engine.outputs import ExchangeOutput, Output, SinkOutput, StageOutput
from workloads.engine.plan import Segment
from workloads.engine.tasks import ResolveTask, RowsTask, Task, write_rows
from workloads.engine.units import MIB, Unit, digest, make_units
from workloads.formats.base import Writer
from workloads.formats.storage import BOOKKEEPING, Folder
from workloads.operators.base import Batch, Deduplicate, Head, Repartition

if TYPE_CHECKING:
    import pyarrow as pa

PARTITION_BYTES = 64 * MIB
"""Input bytes per partition of an exchange; Arrow rows are a few times that."""
MOST_PARTITIONS = 512

Records = dict[int, Record]


@dataclass(frozen=True)
class Phase:
    """Units that may run in any order, and what runs them."""

    name: str
    task: Task
    units: tuple[Unit, ...]
    segment: Segment | None = None
    """The row-local steps in it, which decide where it runs."""
    enough: Callable[[Records], bool] | None = None
    """True once the remaining units are not needed."""


Phases = Generator[Phase, Records, Records]
"""Yields phases, is sent their records, returns the records of the last: the files of the result."""


@dataclass(frozen=True)
class Context:
    """What all phases of a run share."""

    sink: str
    writer: Writer
    recipe: str
    """Digest of what is common to all units: engine, image, error policy."""
    policy: str
    rejects: str | None
    quarantine: str | None
    python_path: tuple[str, ...]
    input_bytes: int
    side_inputs: Callable[[Step], Sequence[FragmentInput]]
    """Lists the further sources of a step."""

    def partitions(self, operator: Deduplicate | Repartition) -> int:
        """How many partitions an exchange has: from the size of the input alone."""
        if isinstance(operator, Repartition) and operator.single_partition():
            return 1
        return max(1, min(MOST_PARTITIONS, -(-self.input_bytes // PARTITION_BYTES)))

    def rows(self, name: str, source: Input, segment: Segment, output: Output, units: Sequence[Unit]) -> Phase:
        """A phase that moves rows."""
        task = RowsTask(
            self.sink, name, source, segment.steps, output, self.policy, self.rejects, self.quarantine, self.python_path
        )
        return Phase(name, task, tuple(units), segment)


@dataclass(frozen=True)
class Upstream:
    """The rows as they stand before a segment: where they are, and what identifies each unit of them."""

    source: Input
    identities: tuple[object, ...]
    weights: tuple[int, ...]


def flow(context: Context, segments: Sequence[Segment], source: FragmentInput) -> Phases:
    """All phases of a job, from its input to its sink."""
    upstream = from_fragments(source)
    for number, segment in enumerate(segments, start=1):
        name = f"{number:02}-rows"
        recipe = digest(context.recipe, [s.operator.identity() for s in segment.steps])
        if segment.ends is None:
            recipe = digest(recipe, context.writer.model_dump(mode="json"))
            phase = context.rows(name, upstream.source, segment, SinkOutput(context.writer), _units(recipe, upstream))
            return (yield phase)
        operator = segment.ends.operator
        recipe = digest(recipe, operator.identity())
        if isinstance(operator, Deduplicate):
            upstream = yield from _deduplicate(context, name, recipe, segment, segment.ends, operator, upstream)
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
        return 2
    if isinstance(operator, Repartition):
        return 1 + len(operator.side_sources()) + _is_sampled(operator)
    return 1


def _is_sampled(operator: Repartition) -> bool:
    return type(operator).sample is not Repartition.sample


def from_fragments(source: FragmentInput) -> Upstream:
    """The job's input before its first segment."""
    return Upstream(source, tuple(s.identity() for s in source.shards), tuple(s.weight for s in source.shards))


def _units(recipe: str, upstream: Upstream) -> list[Unit]:
    return make_units(recipe, upstream.identities, upstream.weights)


def _stage_folder(name: str) -> str:
    return f"{BOOKKEEPING}/stages/{name}"


Moved = Generator[Phase, Records, Upstream]
"""Phases of a global step; returns where its rows are then."""


def _deduplicate(
    context: Context, name: str, recipe: str, segment: Segment, step: Step, operator: Deduplicate, upstream: Upstream
) -> Moved:
    partitions = context.partitions(operator)
    units = _units(recipe, upstream)
    stage = StageOutput(context.sink, _stage_folder(name), step.name, deduplicate=operator, partitions=partitions)
    yield context.rows(name, upstream.source, segment, stage, units)

    everything = digest([u.key for u in units])
    resolve_name = f"{name}-resolve"
    task = ResolveTask(
        context.sink, resolve_name, step.name, operator, tuple(map(stage.side_name, units)), partitions, _stage_folder(resolve_name)
    )
    resolve_units = make_units(digest(recipe, everything), list(range(partitions)), [1] * partitions)
    records = yield Phase(resolve_name, task, tuple(resolve_units))
    found = [task.name(u) for u in resolve_units if records[u.index].rows]
    drops = _merge_edges(context.sink, found, _stage_folder(resolve_name)) if operator.links and found else found

    source = StageInput(
        context.sink, tuple(map(stage.rows_name, units)), step.name, reason=operator.reason, drops=tuple(drops)
    )
    return Upstream(source, tuple((u.key, everything) for u in units), tuple(u.weight for u in units))


def _merge_edges(sink: str, files: Sequence[str], folder: str) -> list[str]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for name in files:
        with Folder(sink).open_input(name) as file:
            tables.append(pq.read_table(file, columns=["row", "kept"]))
    edges = pa.concat_tables(tables)
    rows, kept = repeated(edges.column("row").to_numpy(), edges.column("kept").to_numpy().astype(np.int64))
    name = f"{folder}/components.parquet"
    write_rows(sink, name, pa.table({"row": rows, "kept": kept}))
    return [name]


def _head(context: Context, name: str, recipe: str, segment: Segment, step: Step, operator: Head, upstream: Upstream) -> Moved:
    limit = operator.rows()
    units = _units(recipe, upstream)
    stage = StageOutput(context.sink, _stage_folder(name))

    def enough(records: Records) -> bool:
        return sum(r.rows for r in _leading(records)) >= limit

    records = yield replace(context.rows(name, upstream.source, segment, stage, units), enough=enough)
    take: list[int] = []
    for record in _leading(records):
        if (left := limit - sum(take)) <= 0:
            break
        take.append(min(record.rows, left))
    units = units[: len(take)]
    source = StageInput(context.sink, tuple(map(stage.rows_name, units)), step.name, reason=operator.key, take=tuple(take))
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
    units = _units(recipe, upstream)
    if _is_sampled(operator) and partitions > 1:
        stage = StageOutput(context.sink, _stage_folder(name), step.name, sampled=operator)
        yield context.rows(name, upstream.source, segment, stage, units)
        tables = [t for u in units for t in read_blocks(context.sink, stage.side_name(u))]
        samples = pa.concat_tables(tables) if tables else None
        staged = StageInput(context.sink, tuple(map(stage.rows_name, units)))
        upstream = Upstream(staged, tuple(u.key for u in units), upstream.weights)
        segment = Segment((), None)
        recipe = digest(recipe, [u.key for u in units])
        name = f"{name}-exchange"
        units = _units(recipe, upstream)

    exchanges: list[tuple[str, ...]] = []
    keys: list[str] = []
    inputs = [upstream, *map(from_fragments, context.side_inputs(step))]
    for number, side in enumerate(inputs):
        units = _units(digest(recipe, number), side)
        exchange = ExchangeOutput(context.sink, _stage_folder(name), step.name, operator, number, partitions, samples)
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
