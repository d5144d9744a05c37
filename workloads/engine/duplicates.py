"""The phases of a de-duplication: signatures, what they resolve to, and where that leaves only candidates, the proof."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workloads.engine.components import Forest
from workloads.engine.inputs import Input, StageInput
from workloads.engine.outputs import StageOutput
from workloads.engine.phases import Context, Moved, Phase, Records, Upstream, from_fragments, stage_folder
from workloads.engine.plan import Segment
from workloads.engine.rows import RowNumbers
from workloads.engine.tasks import EvidenceTask, ResolveTask, write_rows
from workloads.engine.units import Unit, digest, make_units
from workloads.formats.storage import Folder
from workloads.operators.base import Deduplicate

if TYPE_CHECKING:
    from workloads.engine.chain import Step

Files = Generator[Phase, Records, list[str]]
"""Phases; returns the names of the files they leave."""


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
    return inputs + 1 + (inputs + 1 if operator.confirms() else 0)


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
    repeats = yield from _resolve(
        context, f"{name}-resolve", recipe, step, operator, [n for s in sides for n in s.signatures()]
    )
    if operator.links and repeats:
        repeats = [_components(context.sink, repeats, stage_folder(f"{name}-resolve"), operator.confirms())]
    if operator.confirms() and repeats:
        repeats = yield from _confirm(context, name, recipe, step, operator, sides, repeats)
    source = StageInput(context.sink, staged, step, tuple(repeats))
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
) -> Files:
    partitions = context.partitions(operator)
    task = ResolveTask(context.sink, name, step.name, operator, tuple(exchange), partitions, stage_folder(name), confirm)
    units = make_units(digest(recipe, name), list(range(partitions)), [1] * partitions)
    records = yield Phase(name, task, tuple(units))
    return [task.name(u) for u in units if records[u.index].rows]


def _components(sink: str, files: Sequence[str], folder: str, with_first: bool) -> str:
    """The file of the members of all components, each with the component's first; without the first ones themselves."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    forest = Forest()
    for name in files:
        with Folder(sink).open_input(name) as file:
            edges = pq.read_table(file, columns=["row", "kept"])
        forest.add(edges.column("row").to_numpy(), edges.column("kept").to_numpy())
    rows, first = forest.members()
    if not with_first:
        rows, first = rows[rows != first], first[rows != first]
    name = f"{folder}/components.parquet"
    write_rows(sink, name, pa.table({"row": pa.array(rows), "kept": pa.array(first)}))
    return name


def _confirm(
    context: Context, name: str, recipe: str, step: Step, operator: Deduplicate, sides: Sequence[_Side], groups: Sequence[str]
) -> Files:
    """Bring the evidence of each candidate component together and have it decided."""
    evidence: list[str] = []
    for side in sides:
        phase = f"{name}-evidence{side.suffix}"
        partitions = context.partitions(operator)
        task = EvidenceTask(
            context.sink, phase, step.name, operator, side.source, side.numbers, tuple(groups), partitions, stage_folder(phase),
            context.policy,
        )  # fmt: skip
        units = make_units(digest(recipe, phase), [u.key for u in side.units], [u.weight for u in side.units])
        records = yield Phase(phase, task, tuple(units))
        evidence += [task.name(u) for u in units if records[u.index].rows]
    return (yield from _resolve(context, f"{name}-confirm", recipe, step, operator, evidence, confirm=True))
