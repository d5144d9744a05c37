"""Runs a job from its listing to its manifest: opens the run, lets each phase run, keeps what is done, reports."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from datajob import __version__, errors
from datajob.api.checks import check, check_columns
from datajob.api.datajob import DataJob
from datajob.api.problems import raise_errors
from datajob.api.report import Output, Report
from datajob.engine.commit.finalize import result_files, sweep, write_manifest
from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.commit.lock import Lock
from datajob.engine.commit.run_state import MANIFEST, RunState, open_run
from datajob.engine.commit.shard import digest
from datajob.engine.events import Finished, Note, Progressed, Started
from datajob.engine.executors.base import Executor
from datajob.engine.executors.local import LocalExecutor
from datajob.engine.executors.placement import place
from datajob.engine.executors.ray_data import RayExecutor
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.input.listing import Listing, list_input
from datajob.engine.options import RunOptions
from datajob.engine.pipeline import Context, Records, Stage, flow, stage_count
from datajob.engine.plan.fused import FusedSteps, cost_unknown, fuse, job_steps
from datajob.engine.plan.steps import Step
from datajob.engine.report.page import render
from datajob.engine.report.report_builder import Meter
from datajob.engine.worker.rejects import RejectFolders
from datajob.engine.worker.tasks import ShardFailure
from datajob.errors import DataJobError, RowsFailed
from datajob.formats.base import Writer
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING
from datajob.operators.base import Global

LOCAL_BYTES = 32 << 20
"""Input up to this size runs in one process: starting Ray would take longer than the work."""
REPORT_SECONDS = 5.0


def run_job(job: DataJob, options: RunOptions | None = None) -> Report:
    """Run a job to its end and return its report. Raises DataJobError for everything a person has to mend."""
    began = time.time()
    options = options or RunOptions()
    _check(job, options)
    steps = job_steps(job.spec)
    parts = fuse(steps)
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
            raise_errors(check_columns(job.spec, tuple(listing.source.schema.names)))
            executor = ray or _executor(options, listing, steps)
            with closing(executor):
                return _Run(job, options, sink, state, listing, steps, parts, executor, began).execute()
    finally:
        if ray is not None:
            ray.close()


def _ray(job: DataJob, options: RunOptions, parts: Sequence[FusedSteps]) -> RayExecutor:
    """Ray, with the models of the first phase on their way: they load while the input is listed."""
    first = parts[0]
    executor = RayExecutor(options.ray_address, tables=not first.inference)
    if first.inference:
        placement = place(first, job.spec.resources, executor.available(), executor.promised)
        executor.warm(placement, options.python_path)
    return executor


def _wants_ray(options: RunOptions, parts: Sequence[FusedSteps]) -> bool:
    """Whether Ray is wanted whatever the size of the input."""
    if options.executor == "auto":
        elsewhere = (options.ray_address is not None or "RAY_ADDRESS" in os.environ) and not options.in_cluster
        return elsewhere or any(p.inference for p in parts)
    return options.executor == "ray"


def _executor(options: RunOptions, listing: Listing, steps: Sequence[Step]) -> Executor:
    small = listing.size <= LOCAL_BYTES and not (options.in_cluster and cost_unknown(steps))
    return LocalExecutor() if options.executor == "local" or small else RayExecutor(options.ray_address)


def _check(job: DataJob, options: RunOptions) -> None:
    """Raise InvalidJob for the errors in a job; report its warnings as notes."""
    problems = check(job)
    raise_errors(problems)
    for problem in problems:
        options.on_event(Note(str(problem), problem))


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
        parts: Sequence[FusedSteps],
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
        stages = sum(map(stage_count, parts))
        self._meter = Meter(state, steps, stages, listing.files, listing.size, began=began)

    def execute(self) -> Report:
        """Run all phases and finish, or say why not."""
        try:
            records = self._stages()
            return self._finish(records)
        except DataJobError as error:
            self._save(self._meter.report("failed", str(error)))
            raise

    def _stages(self) -> Records:
        self._state = replace(self._state, target=self._listing.target)
        self._state.save(self._sink)
        stages = flow(self._context(), self._parts, self._listing.source)
        stage = next(stages)
        shards = len(stage.shards)
        self._options.on_event(Started(self._meter.stages, shards, self._listing.files, self._listing.size))
        while True:
            records = self._run_stage(stage)
            try:
                stage = stages.send(records)
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

    def _run_stage(self, stage: Stage) -> Records:
        ledger = Ledger(self._sink.path, stage.name)
        self._keys = {stage.name: {u.key for u in stage.shards}}
        self._meter.start_stage(u.weight for u in stage.shards)
        records = self._reused(stage, ledger)
        todo = [u for u in stage.shards if u.index not in records]
        available = self._executor.available() if todo else {}
        placement = place(stage.fused, self._job.spec.resources, available, self._executor.promised)
        outcomes = self._executor.run(stage.task, todo, placement)
        if stage.stop_when is None or not stage.stop_when(records):
            for outcome in outcomes:
                if isinstance(outcome, Note):
                    self._options.on_event(outcome)
                    continue
                record = _record(outcome)
                records[record.index] = record
                self._meter.count(record, stage.shards[record.index].weight)
                self._after_shard()
                if stage.stop_when is not None and stage.stop_when(records):
                    break
        outcomes.close()
        self._side_files.update(path for record in records.values() for path in record.reject_files)
        self._meter.end_stage()
        self._check_ratio()
        self._check_steps()
        return records

    def _reused(self, stage: Stage, ledger: Ledger) -> Records:
        """Records of earlier attempts whose files are all still there, each counted as it is read."""
        there: dict[str, int] | None = None
        kept: Records = {}
        lost: list[str] = []
        for record in ledger.load(stage.shards):
            if record.files and there is None:
                there = self._sink.list("", recursive=True)
            if all(there and there.get(f.path) == f.size for f in record.files):
                kept[record.index] = record
                self._meter.count(record, stage.shards[record.index].weight, kept=True)
            else:
                lost.append(record.key)
        ledger.forget(lost)
        return kept

    def _after_shard(self) -> None:
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

    def _check_steps(self) -> None:
        for name, step in self._meter.tally.steps.items():
            if 0 < step.rows_in <= step.failed:
                raise RowsFailed(
                    f"Step {name} failed on every row ({step.failed}), so nothing is left for the result. That is an error of "
                    f"the job, whatever `errors.policy` is. The first error is: {step.error}. Correct the step or the data."
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


def _side_folders(job: DataJob, state: RunState) -> RejectFolders:
    """Under `append` every run has files of its own."""
    sink = job.spec.sink.chosen
    owner = digest(sink.path, state.run_id if sink.mode == "append" else None)[:8]
    return RejectFolders(job.spec.rejects.path if job.spec.rejects else None, job.spec.errors.path, owner)


def _worst(meter: Meter) -> str:
    name, step = max(meter.tally.steps.items(), key=lambda item: item[1].failed)
    return f"Most of them in step {name} ({step.failed}). "


def _record(outcome: object) -> Record:
    if isinstance(outcome, ShardFailure):
        kind = getattr(errors, outcome.kind, DataJobError)
        raise kind(outcome.message) from RuntimeError(outcome.traceback)
    assert isinstance(outcome, Record)
    return outcome
