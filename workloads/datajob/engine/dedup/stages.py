"""The phases of a de-duplication: signatures, what they resolve to, and where that leaves only candidates, the proof."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.dedup.distributed_components import link
from datajob.engine.dedup.tasks import EvidenceTask, GatherTask, ResolveTask, write_rows
from datajob.engine.dedup.union_find import Forest
from datajob.engine.exchange.row_ids import Ranges, RowFiles, RowNumbers
from datajob.engine.input.inputs import Input, IntermediateInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.stage import Context, Records, Stage, StageResult, Upstream, from_fragments, intermediate_folder
from datajob.engine.worker.outputs import IntermediateOutput
from datajob.formats.folder import Folder
from datajob.operators.base import Deduplicate

if TYPE_CHECKING:
    from datajob.engine.plan.steps import Step

MOST_EDGES = 1 << 24
"""Edges whose components the driver finds by itself, in less than 2 GiB; of more, the workers do."""
MOST_OPENED = 1 << 14
"""Files that all units together open to learn what repeats something; before it would be more, they are sorted by unit."""

Files = Generator[Stage, Records, RowFiles]
"""Phases; returns the files they leave."""


@dataclass(frozen=True)
class _Side:
    """One input whose signatures are compared: the rows of the job, or an older corpus."""

    suffix: str
    source: Input
    """Gives the rows again, after the signatures were made."""
    shards: tuple[Shard, ...]
    numbers: RowNumbers
    stage: IntermediateOutput

    def signatures(self) -> list[str]:
        """The files of its signatures."""
        return [self.stage.side_name(u) for u in self.shards]


def deduplicate_stages(operator: Deduplicate) -> int:
    """How many phases a de-duplication has at most."""
    inputs = 1 + len(operator.side_sources())
    return inputs + 2 + (inputs + 1 if operator.confirms() else 0)


def deduplicate(
    context: Context, name: str, recipe: str, fused: FusedSteps, step: Step, operator: Deduplicate, upstream: Upstream
) -> StageResult:
    """Stage the rows with their signatures, find what repeats something, and give the rows without it."""
    partitions = context.partitions(operator)
    stage = IntermediateOutput(context.sink, intermediate_folder(name), step.name, deduplicate=operator, partitions=partitions)
    shards = upstream.shards(recipe)
    staged = tuple(map(stage.rows_name, shards))
    sides = [_Side("", IntermediateInput(context.sink, staged), tuple(shards), stage.numbers, stage)]
    yield context.rows(name, upstream.source, fused, stage, shards)
    for number, older in enumerate(map(from_fragments, context.side_inputs(step)), start=1):
        side = _older(context, f"{name}-{number}", digest(recipe, number), step, operator, older, sides, partitions)
        yield context.rows(f"{name}-{number}", older.source, FusedSteps((), None), side.stage, side.shards)
        sides.append(side)

    everything = digest([u.key for side in sides for u in side.shards])
    recipe = digest(recipe, everything)
    signatures = [n for s in sides for n in s.signatures()]
    repeats, found = yield from _resolve(context, f"{name}-resolve", recipe, step, operator, signatures)
    if operator.links and found > MOST_EDGES:
        ranges = Ranges(sides[-1].numbers.start, len(shards), partitions)
        repeats = yield from link(context, f"{name}-link", recipe, repeats.names, ranges, operator.confirms())
    elif operator.links and found:
        repeats = _components(repeats, f"{intermediate_folder(f'{name}-resolve')}/components.parquet", operator.confirms())
    if operator.confirms() and found:
        repeats = yield from _confirm(context, name, recipe, step, operator, sides, repeats)
    if repeats.ranges is None and len(repeats.names) > 1 and len(repeats.names) * len(shards) > MOST_OPENED:
        repeats = yield from _gather(context, f"{name}-gather", recipe, repeats, Ranges(0, len(shards), partitions))
    source = IntermediateInput(context.sink, staged, step, repeats)
    return Upstream(source, tuple((u.key, everything) for u in shards), tuple(u.weight for u in shards))


def _older(
    context: Context,
    name: str,
    recipe: str,
    step: Step,
    operator: Deduplicate,
    older: Upstream,
    sides: Sequence[_Side],
    partitions: int,
) -> _Side:
    """An older corpus: its rows are not kept, and numbered before all others."""
    shards = older.shards(recipe)
    numbers = RowNumbers(sides[-1].numbers.start - len(shards))
    stage = IntermediateOutput(
        context.sink,
        intermediate_folder(name),
        step.name,
        deduplicate=operator,
        partitions=partitions,
        numbers=numbers,
        staged=False,
    )
    return _Side(f"-{len(sides)}", older.source, tuple(shards), numbers, stage)


def _resolve(
    context: Context, name: str, recipe: str, step: Step, operator: Deduplicate, exchange: Sequence[str], confirm: bool = False
) -> Generator[Stage, Records, tuple[RowFiles, int]]:
    """Resolve the partitions of an exchange: the files of what was found, and how many rows that are."""
    partitions = context.partitions(operator)
    task = ResolveTask(context.sink, name, step.name, operator, tuple(exchange), partitions, intermediate_folder(name), confirm)
    shards = make_shards(digest(recipe, name), list(range(partitions)), [1] * partitions)
    records = yield Stage(name, task, tuple(shards))
    names = tuple(task.name(u) for u in shards if records[u.index].rows)
    return RowFiles(context.sink, names), sum(records[u.index].rows for u in shards)


def _gather(context: Context, name: str, recipe: str, found: RowFiles, ranges: Ranges) -> Files:
    """One file per range of units, so that a unit opens its own instead of all."""
    task = GatherTask(context.sink, name, found, ranges, intermediate_folder(name))
    shards = make_shards(digest(recipe, name), list(range(ranges.parts)), [1] * ranges.parts)
    yield Stage(name, task, tuple(shards))
    return RowFiles(context.sink, tuple(map(task.name, shards)), ranges)


def _components(edges: RowFiles, name: str, with_first: bool) -> RowFiles:
    """The members of all components, each with the component's first; without the first ones themselves."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    forest = Forest()
    for source in edges.names:
        with Folder(edges.root).open_input(source) as file:
            table = pq.read_table(file, columns=["row", "kept"])
        forest.add(table.column("row").to_numpy(), table.column("kept").to_numpy())
    rows, first = forest.members()
    if not with_first:
        rows, first = rows[rows != first], first[rows != first]
    write_rows(edges.root, name, pa.table({"row": pa.array(rows), "kept": pa.array(first)}))
    return RowFiles(edges.root, (name,))


def _confirm(
    context: Context, name: str, recipe: str, step: Step, operator: Deduplicate, sides: Sequence[_Side], groups: RowFiles
) -> Files:
    """Bring the evidence of each candidate component together and have it decided."""
    evidence: list[str] = []
    for side in sides:
        stage = f"{name}-evidence{side.suffix}"
        partitions = context.partitions(operator)
        task = EvidenceTask(
            context.sink, stage, step.name, operator, side.source, side.numbers, groups, partitions, intermediate_folder(stage),
            context.policy,
        )  # fmt: skip
        shards = make_shards(digest(recipe, stage), [u.key for u in side.shards], [u.weight for u in side.shards])
        records = yield Stage(stage, task, tuple(shards))
        evidence += [task.name(u) for u in shards if records[u.index].rows]
    confirmed, _ = yield from _resolve(context, f"{name}-confirm", recipe, step, operator, evidence, confirm=True)
    return confirmed
