"""The phases of a de-duplication: signatures, what they resolve to, and where that leaves only candidates, the proof."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.engine.components import Forest
from workloads.engine.inputs import Input, StageInput
from workloads.engine.linking import link
from workloads.engine.outputs import StageOutput
from workloads.engine.phases import Context, Moved, Phase, Records, Upstream, from_fragments, stage_folder
from workloads.engine.plan import Segment
from workloads.engine.rows import Ranges, RowFiles, RowNumbers
from workloads.engine.tasks import EvidenceTask, GatherTask, ResolveTask, write_rows
from workloads.engine.units import Unit, digest, make_units
from workloads.formats.folder import Folder
from workloads.operators.base import Deduplicate

if TYPE_CHECKING:
    from workloads.engine.chain import Step

MOST_EDGES = 1 << 24
"""Edges whose components the driver finds by itself, in less than 2 GiB; of more, the workers do."""
MOST_OPENED = 1 << 14
"""Files that all units together open to learn what repeats something; before it would be more, they are sorted by unit."""

Files = Generator[Phase, Records, RowFiles]
"""Phases; returns the files they leave."""


@dataclass(frozen=True)
class _Side:
    """One input whose signatures are compared: the rows of the job, or an older corpus."""

    suffix: str
    source: Input
    """Gives the rows again, after the signatures were made."""
    units: tuple[Unit, ...]
    numbers: RowNumbers
    stage: StageOutput

    def signatures(self) -> list[str]:
        """The files of its signatures."""
        return [self.stage.side_name(u) for u in self.units]


def deduplicate_phases(operator: Deduplicate) -> int:
    """How many phases a de-duplication has at most."""
    inputs = 1 + len(operator.side_sources())
    return inputs + 2 + (inputs + 1 if operator.confirms() else 0)


def deduplicate(
    context: Context, name: str, recipe: str, segment: Segment, step: Step, operator: Deduplicate, upstream: Upstream
) -> Moved:
    """Stage the rows with their signatures, find what repeats something, and give the rows without it."""
    partitions = context.partitions(operator)
    stage = StageOutput(context.sink, stage_folder(name), step.name, deduplicate=operator, partitions=partitions)
    units = upstream.units(recipe)
    staged = tuple(map(stage.rows_name, units))
    sides = [_Side("", StageInput(context.sink, staged), tuple(units), stage.numbers, stage)]
    yield context.rows(name, upstream.source, segment, stage, units)
    for number, older in enumerate(map(from_fragments, context.side_inputs(step)), start=1):
        side = _older(context, f"{name}-{number}", digest(recipe, number), step, operator, older, sides, partitions)
        yield context.rows(f"{name}-{number}", older.source, Segment((), None), side.stage, side.units)
        sides.append(side)

    everything = digest([u.key for side in sides for u in side.units])
    recipe = digest(recipe, everything)
    signatures = [n for s in sides for n in s.signatures()]
    repeats, found = yield from _resolve(context, f"{name}-resolve", recipe, step, operator, signatures)
    if operator.links and found > MOST_EDGES:
        ranges = Ranges(sides[-1].numbers.start, len(units), partitions)
        repeats = yield from link(context, f"{name}-link", recipe, repeats.names, ranges, operator.confirms())
    elif operator.links and found:
        repeats = _components(repeats, f"{stage_folder(f'{name}-resolve')}/components.parquet", operator.confirms())
    if operator.confirms() and found:
        repeats = yield from _confirm(context, name, recipe, step, operator, sides, repeats)
    if repeats.ranges is None and len(repeats.names) > 1 and len(repeats.names) * len(units) > MOST_OPENED:
        repeats = yield from _gather(context, f"{name}-gather", recipe, repeats, Ranges(0, len(units), partitions))
    source = StageInput(context.sink, staged, step, repeats)
    return Upstream(source, tuple((u.key, everything) for u in units), tuple(u.weight for u in units))


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
    units = older.units(recipe)
    numbers = RowNumbers(sides[-1].numbers.start - len(units))
    stage = StageOutput(
        context.sink, stage_folder(name), step.name, deduplicate=operator, partitions=partitions, numbers=numbers, staged=False
    )
    return _Side(f"-{len(sides)}", older.source, tuple(units), numbers, stage)


def _resolve(
    context: Context, name: str, recipe: str, step: Step, operator: Deduplicate, exchange: Sequence[str], confirm: bool = False
) -> Generator[Phase, Records, tuple[RowFiles, int]]:
    """Resolve the partitions of an exchange: the files of what was found, and how many rows that are."""
    partitions = context.partitions(operator)
    task = ResolveTask(context.sink, name, step.name, operator, tuple(exchange), partitions, stage_folder(name), confirm)
    units = make_units(digest(recipe, name), list(range(partitions)), [1] * partitions)
    records = yield Phase(name, task, tuple(units))
    names = tuple(task.name(u) for u in units if records[u.index].rows)
    return RowFiles(context.sink, names), sum(records[u.index].rows for u in units)


def _gather(context: Context, name: str, recipe: str, found: RowFiles, ranges: Ranges) -> Files:
    """One file per range of units, so that a unit opens its own instead of all."""
    task = GatherTask(context.sink, name, found, ranges, stage_folder(name))
    units = make_units(digest(recipe, name), list(range(ranges.parts)), [1] * ranges.parts)
    yield Phase(name, task, tuple(units))
    return RowFiles(context.sink, tuple(map(task.name, units)), ranges)


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
        phase = f"{name}-evidence{side.suffix}"
        partitions = context.partitions(operator)
        task = EvidenceTask(
            context.sink, phase, step.name, operator, side.source, side.numbers, groups, partitions, stage_folder(phase),
            context.policy,
        )  # fmt: skip
        units = make_units(digest(recipe, phase), [u.key for u in side.units], [u.weight for u in side.units])
        records = yield Phase(phase, task, tuple(units))
        evidence += [task.name(u) for u in units if records[u.index].rows]
    confirmed, _ = yield from _resolve(context, f"{name}-confirm", recipe, step, operator, evidence, confirm=True)
    return confirmed
