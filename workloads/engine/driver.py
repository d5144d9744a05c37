"""Runs a job from its listing to its manifest: opens the run, lets each phase run, keeps what is done, reports."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from workloads import __version__, errors
from workloads.api.checks import check, check_columns
from workloads.api.datajob import DataJob
from workloads.api.problems import Problem
from workloads.api.report import Output, Report
from workloads.engine.chain import Step
from workloads.engine.dropped import SideFolders
from workloads.engine.events import Finished, Note, Progressed, Started
from workloads.engine.executors import Executor, LocalExecutor, RayExecutor
from workloads.engine.finish import result_files, sweep, write_manifest
from workloads.engine.flow import Context, Phase, Records, flow, phase_count
from workloads.engine.html import render
from workloads.engine.inputs import FragmentInput
from workloads.engine.ledger import Ledger, Record
from workloads.engine.listing import Listing, list_input
from workloads.engine.options import RunOptions
from workloads.engine.placement import place
from workloads.engine.plan import Segment, job_steps, segments, unforeseeable
from workloads.engine.progress import Meter
from workloads.engine.state import MANIFEST, Lock, RunState, open_run
from workloads.engine.tasks import Failure
from workloads.engine.units import digest
from workloads.errors import DataJobError, InvalidJob, RowsFailed
from workloads.formats.base import Writer
from workloads.formats.folder import Folder
from workloads.formats.storage import BOOKKEEPING
from workloads.operators.base import Global

LOCAL_BYTES = 32 << 20
"""Input up to this size runs in one process: starting Ray would take longer than the work."""
REPORT_SECONDS = 5.0


def run_job(job: DataJob, options: RunOptions | None = None) -> Report:
    """Run a job to its end and return its report. Raises DataJobError for everything a person has to mend."""
    began = time.time()
    options = options or RunOptions()
    _refuse(check(job))
    steps = job_steps(job.spec)
    parts = segments(steps)
    ray = _ray(job, options, parts) if _wants_ray(options, parts) else None
    try:
        sink = Folder(job.spec.sink.chosen.path)
        with Lock(sink, options.run_id):
            state = open_run(sink, job.metadata.name, job.spec.sink.chosen, options.fresh, options.run_id)
            if options.attempt is not None:
                state = replace(state, attempt=options.attempt)
            if state.state == "complete":
                options.on_event(Note("This run was completed before; there is nothing to do."))
                return Report.model_validate_json(sink.read(f"{BOOKKEEPING}/report.json"))
            readers = [source.chosen for source in job.spec.sources]
            lenient = job.spec.errors.policy != "fail"
            target = state.target or options.shard_bytes
            listing = list_input(readers, target, any(p.inference for p in parts), lenient)
            _refuse(check_columns(job.spec, tuple(listing.source.schema.names)))
            executor = ray or _executor(options, listing, steps)
            with closing(executor):
                return _Run(job, options, sink, state, listing, steps, parts, executor, began).execute()
    finally:
        if ray is not None:
            ray.close()


def _ray(job: DataJob, options: RunOptions, parts: Sequence[Segment]) -> RayExecutor:
    """Ray, with the models of the first phase on their way: they load while the input is listed."""
    first = parts[0]
    executor = RayExecutor(options.ray_address, tables=not first.inference)
    if first.inference:
        placement = place(first, job.spec.resources, executor.available(), executor.promised)
        executor.warm(placement, options.python_path)
    return executor


def _wants_ray(options: RunOptions, parts: Sequence[Segment]) -> bool:
    """Whether Ray is wanted whatever the size of the input."""
    if options.executor == "auto":
        elsewhere = (options.ray_address is not None or "RAY_ADDRESS" in os.environ) and not options.in_cluster
        return elsewhere or any(p.inference for p in parts)
    return options.executor == "ray"


def _executor(options: RunOptions, listing: Listing, steps: Sequence[Step]) -> Executor:
    small = listing.size <= LOCAL_BYTES and not (options.in_cluster and unforeseeable(steps))
    return LocalExecutor() if options.executor == "local" or small else RayExecutor(options.ray_address)


def _refuse(problems: Iterable[Problem]) -> None:
    """Raises InvalidJob when there are problems that are more than warnings."""
    found = [str(p) for p in problems if not p.warning]
    if found:
        raise InvalidJob("\n".join(found))


class _Run:
    """One attempt at a run."""

    def __init__(
        self,
        job: DataJob,
        options: RunOptions,
        sink: Folder,
        state: RunState,
        listing: Listing,
        steps: Sequence[Step],
        parts: Sequence[Segment],
        executor: Executor,
        began: float,
    ) -> None:
        self._job = job
        self._options = options
        self._sink = sink
        self._state = state
        self._listing = listing
        self._parts = parts
        self._executor = executor
        self._writer: Writer = job.spec.sink.chosen
        self._side = _side_folders(job, state)
        self._side_files: set[str] = set()
        self._keys: dict[str, set[str]] = {}
        self._saved = 0.0
        phases = sum(map(phase_count, parts))
        self._meter = Meter(state, steps, phases, listing.files, listing.size, began=began)

    def execute(self) -> Report:
        """Run all phases and finish, or say why not."""
        try:
            records = self._phases()
            return self._finish(records)
        except DataJobError as error:
            self._save(self._meter.report("failed", str(error)))
            raise

    def _phases(self) -> Records:
        self._state = replace(self._state, target=self._listing.target)
        self._state.save(self._sink)
        phases = flow(self._context(), self._parts, self._listing.source)
        phase = next(phases)
        shards = len(phase.units)
        self._options.on_event(Started(self._meter.phases, shards, self._listing.files, self._listing.size))
        while True:
            records = self._run_phase(phase)
            try:
                phase = phases.send(records)
            except StopIteration as end:
                found: Records = end.value
                return found

    def _context(self) -> Context:
        spec = self._job.spec
        salt = self._state.run_id if self._writer.mode == "append" else None
        side = [self._side.rejects, self._side.quarantine]
        recipe = [__version__, os.environ.get("DATAJOB_IMAGE"), spec.errors.policy, side, salt]
        return Context(
            sink=self._writer.path,
            writer=self._writer,
            recipe=digest(recipe),
            policy=spec.errors.policy,
            side=self._side,
            python_path=self._options.python_path,
            input_bytes=self._listing.size,
            side_inputs=self._side_inputs,
        )

    def _side_inputs(self, step: Step) -> list[FragmentInput]:
        assert isinstance(step.operator, Global)
        return [list_input([reader], self._listing.target, False).source for reader in step.operator.side_sources()]

    def _run_phase(self, phase: Phase) -> Records:
        ledger = Ledger(self._sink.path, phase.name)
        self._keys = {phase.name: {u.key for u in phase.units}}
        self._meter.start_phase(u.weight for u in phase.units)
        records = self._kept(phase, ledger)
        todo = [u for u in phase.units if u.index not in records]
        available = self._executor.available() if todo else {}
        placement = place(phase.segment, self._job.spec.resources, available, self._executor.promised)
        outcomes = self._executor.run(phase.task, todo, placement)
        if phase.enough is None or not phase.enough(records):
            for outcome in outcomes:
                if isinstance(outcome, Note):
                    self._options.on_event(outcome)
                    continue
                record = _record(outcome)
                records[record.index] = record
                self._meter.count(record, phase.units[record.index].weight)
                self._after_unit()
                if phase.enough is not None and phase.enough(records):
                    break
        outcomes.close()
        self._side_files.update(path for record in records.values() for path in record.side_files)
        self._meter.end_phase()
        self._check_ratio()
        return records

    def _kept(self, phase: Phase, ledger: Ledger) -> Records:
        """Records of earlier attempts whose files are all still there, each counted as it is read."""
        there: dict[str, int] | None = None
        kept: Records = {}
        lost: list[str] = []
        for record in ledger.load(phase.units):
            if record.files and there is None:
                there = self._sink.list("", recursive=True)
            if all(there and there.get(f.path) == f.size for f in record.files):
                kept[record.index] = record
                self._meter.count(record, phase.units[record.index].weight, kept=True)
            else:
                lost.append(record.key)
        ledger.forget(lost)
        return kept

    def _after_unit(self) -> None:
        self._check_ratio()
        report = self._meter.report()
        self._options.on_event(Progressed(report))
        if time.monotonic() - self._saved > REPORT_SECONDS:
            self._save(report)

    def _check_ratio(self) -> None:
        limit, share = self._job.spec.errors.max_ratio, self._meter.failed_share()
        progress = self._meter.progress()
        if share > limit:
            raise RowsFailed(
                f"{progress.rows_failed} of {progress.rows_in} rows failed, {share:.2%} of the input: more than "
                f"`errors.maxRatio` allows ({limit:.2%}). {_worst(self._meter)}"
                "Correct the step or the data, or raise `errors.maxRatio`."
            )

    def _finish(self, records: Records) -> Report:
        files = result_files(self._state, records.values())
        write_manifest(self._sink, self._state, files)
        sweep(self._sink, self._writer, files, self._keys)
        self._side.sweep(self._side_files)
        output = Output(
            manifest=self._sink.join(MANIFEST),
            files=len(files),
            bytes=sum(f.size for f in files),
            rows=sum(max(0, f.rows) for f in files),
        )
        report = self._meter.report("complete", output=output)
        self._save(report)
        replace(self._state, state="complete").save(self._sink)
        self._options.on_event(Finished(report))
        return report

    def _save(self, report: Report) -> None:
        self._saved = time.monotonic()
        self._sink.write(f"{BOOKKEEPING}/report.json", report.model_dump_json(by_alias=True, indent=1).encode())
        if report.state != "running":
            self._sink.write(f"{BOOKKEEPING}/report.html", render(report).encode())


def _side_folders(job: DataJob, state: RunState) -> SideFolders:
    """Under `append` every run has files of its own."""
    sink = job.spec.sink.chosen
    owner = digest(sink.path, state.run_id if sink.mode == "append" else None)[:8]
    return SideFolders(job.spec.rejects.path if job.spec.rejects else None, job.spec.errors.path, owner)


def _worst(meter: Meter) -> str:
    name, step = max(meter.tally.steps.items(), key=lambda item: item[1].failed)
    return f"Most of them in step {name} ({step.failed}). "


def _record(outcome: object) -> Record:
    if isinstance(outcome, Failure):
        kind = getattr(errors, outcome.kind, DataJobError)
        raise kind(outcome.message) from RuntimeError(outcome.traceback)
    assert isinstance(outcome, Record)
    return outcome
