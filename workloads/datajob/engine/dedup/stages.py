"""The stages of a deduplication: extract signatures, resolve them and, if that only yields candidates, confirm them."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from datajob.engine.commit.shard import Shard, digest, make_shards
from datajob.engine.dedup.distributed_components import link
from datajob.engine.dedup.removal import Removal
from datajob.engine.dedup.signatures import Signatures
from datajob.engine.dedup.tasks import EvidenceTask, GatherTask, ResolveTask, write_rows
from datajob.engine.dedup.union_find import Forest
from datajob.engine.exchange.row_ids import JOB_ROWS, FailedRows, Ranges, RowFiles, RowNumbers
from datajob.engine.input.inputs import Input, IntermediateInput
from datajob.engine.plan.fused import FusedSteps
from datajob.engine.plan.steps import Step
from datajob.engine.stage import Context, Records, Stage, StageResult, Upstream, from_fragments, intermediate_folder
from datajob.engine.worker.intake import Intake
from datajob.engine.worker.outputs import IntermediateOutput
from datajob.formats.folder import Folder
from datajob.operators.base import Deduplicate

DRIVER_EDGES = 1 << 24
"""Up to this many edges, the driver finds the connected components itself, in less than 2 GiB; for more, the workers do."""
MAX_OPENED = 1 << 14
"""Maximum number of files that all shards together open to learn what repeats something. Beyond it, the files are merged
by range of shards first."""

Files = Generator[Stage, Records, RowFiles]
"""Stages; returns the files that they write."""


@dataclass(frozen=True)
class _Side:
    """Rows whose signatures are compared: those of the job, or of an older corpus."""

    suffix: str
    source: Input
    """Gives the rows again after the signatures were extracted."""
    shards: tuple[Shard, ...]
    numbers: RowNumbers
    output: IntermediateOutput

    def signatures(self) -> list[str]:
        """The files of its signatures."""
        return [self.output.companion_name(s) for s in self.shards]


def deduplicate_stages(operator: Deduplicate) -> int:
    """Maximum number of stages of a deduplication."""
    inputs = 1 + len(operator.side_sources())
    return inputs + 2 + (inputs + 1 if operator.confirms() else 0)


def deduplicate(
    context: Context, name: str, fingerprint: str, fused: FusedSteps, step: Step[Deduplicate], upstream: Upstream
) -> StageResult:
    """Store the rows with their signatures, find what repeats something, and return the rows without it."""
    operator, partitions = step.operator, context.partitions(step.operator)
    side = _job_side(context, name, fingerprint, step, upstream)
    yield context.rows(name, upstream.intake, _with_signing(fused, step), side.output, side.shards)
    sides, shards = [side], side.shards
    for number, older in enumerate(map(from_fragments, context.side_inputs(step.operator)), start=1):
        side = _older_side(context, f"{name}-{number}", digest(fingerprint, number), step, older, sides)
        yield context.rows(f"{name}-{number}", older.intake, FusedSteps(()), side.output, side.shards)
        sides.append(side)

    everything = digest([s.key for side in sides for s in side.shards])
    fingerprint = digest(fingerprint, everything)
    failed = FailedRows(context.sink)
    signatures = [n for side in sides for n in side.signatures()]
    repeats, found = yield from _resolve(context, f"{name}-resolve", fingerprint, operator, signatures)
    if operator.links and found > DRIVER_EDGES:
        ranges = Ranges(sides[-1].numbers.start, len(shards), partitions)
        repeats = yield from link(context, f"{name}-link", fingerprint, repeats.names, ranges, operator.confirms())
    elif operator.links and found:
        repeats = _components(repeats, f"{intermediate_folder(f'{name}-resolve')}/components.parquet", operator.confirms())
    if operator.confirms() and found:
        repeats, failed = yield from _confirm(context, name, fingerprint, step, sides, repeats)
    if repeats.ranges is None and len(repeats.names) > 1 and len(repeats.names) * len(shards) > MAX_OPENED:
        repeats = yield from _gather(context, f"{name}-gather", fingerprint, repeats, Ranges(0, len(shards), partitions))
    stored = IntermediateInput(context.sink, tuple(map(sides[0].output.rows_name, shards)), failed)
    intake = Intake(stored, Removal(step, repeats, failed))
    return Upstream(intake, tuple((s.key, everything) for s in shards), tuple(s.weight for s in shards), step)


def _with_signing(fused: FusedSteps, step: Step[Deduplicate]) -> FusedSteps:
    """The fused steps and the step that computes what signatures need, if any."""
    signing = step.operator.signing()
    return fused if signing is None else replace(fused, steps=(*fused.steps, Step(step.name, signing)))


def _job_side(context: Context, name: str, fingerprint: str, step: Step[Deduplicate], upstream: Upstream) -> _Side:
    """The rows of the job, which are stored."""
    shards = tuple(upstream.shards(fingerprint))
    signatures = Signatures(step, context.partitions(step.operator), JOB_ROWS, skips_failed=True)
    output = IntermediateOutput(context.sink, intermediate_folder(name), signatures)
    stored = IntermediateInput(context.sink, tuple(map(output.rows_name, shards)))
    return _Side("", stored, shards, JOB_ROWS, output)


def _older_side(
    context: Context, name: str, fingerprint: str, step: Step[Deduplicate], older: Upstream, sides: Sequence[_Side]
) -> _Side:
    """An older corpus: its rows are not stored, and they are numbered before all others."""
    shards = tuple(older.shards(fingerprint))
    numbers = RowNumbers(sides[-1].numbers.start - len(shards))
    signatures = Signatures(step, context.partitions(step.operator), numbers, skips_failed=False)
    output = IntermediateOutput(context.sink, intermediate_folder(name), signatures, stores_rows=False)
    return _Side(f"-{len(sides)}", older.intake.source, shards, numbers, output)


def _resolve(
    context: Context, name: str, fingerprint: str, operator: Deduplicate, exchange: Sequence[str], confirm: bool = False
) -> Generator[Stage, Records, tuple[RowFiles, int]]:
    """Resolve the partitions of an exchange. Returns the files with the rows that were found, and their number."""
    partitions = context.partitions(operator)
    task = ResolveTask(context.sink, name, operator, tuple(exchange), partitions, intermediate_folder(name), confirm)
    shards = make_shards(digest(fingerprint, name), list(range(partitions)), [1] * partitions)
    records = yield Stage(name, task, tuple(shards))
    names = tuple(task.name(s) for s in shards if records[s.index].rows)
    return RowFiles(context.sink, names), sum(records[s.index].rows for s in shards)


def _gather(context: Context, name: str, fingerprint: str, found: RowFiles, ranges: Ranges) -> Files:
    """One file per range of shards, so that each shard opens one file instead of all of them."""
    task = GatherTask(context.sink, name, found, ranges, intermediate_folder(name))
    shards = make_shards(digest(fingerprint, name), list(range(ranges.parts)), [1] * ranges.parts)
    yield Stage(name, task, tuple(shards))
    return RowFiles(context.sink, tuple(map(task.name, shards)), ranges)


def _components(edges: RowFiles, name: str, with_first: bool) -> RowFiles:
    """The members of all components, each with the first row of its component; by default without the first rows."""
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
    context: Context, name: str, fingerprint: str, step: Step[Deduplicate], sides: Sequence[_Side], groups: RowFiles
) -> Generator[Stage, Records, tuple[RowFiles, FailedRows]]:
    """Collect the evidence of each candidate component and confirm it. Returns the repeated rows and the failed rows."""
    evidence: list[str] = []
    failed = FailedRows(context.sink)
    for side in sides:
        stage = f"{name}-evidence{side.suffix}"
        folder, partitions = intermediate_folder(stage), context.partitions(step.operator)
        task = EvidenceTask(
            context.sink, stage, step, side.source, side.numbers, groups, partitions, folder, context.policy, context.rejects
        )
        shards = make_shards(digest(fingerprint, stage), [s.key for s in side.shards], [s.weight for s in side.shards])
        records = yield Stage(stage, task, tuple(shards))
        evidence += [task.name(s) for s in shards if records[s.index].rows]
        if side.numbers == JOB_ROWS:
            there = Folder(context.sink).list(folder)
            failed = FailedRows(context.sink, {s.index: task.failed_name(s) for s in shards if task.failed_name(s) in there})
    confirmed, _ = yield from _resolve(context, f"{name}-confirm", fingerprint, step.operator, evidence, confirm=True)
    return confirmed, failed
