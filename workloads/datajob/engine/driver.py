"""The driver: runs a job from listing its input to replacing the manifest."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import replace

from datajob.api.checks import check, check_columns
from datajob.api.datajob import DataJob
from datajob.api.problems import raise_errors
from datajob.api.report import Output, Report
from datajob.engine.attempt import Attempt
from datajob.engine.commit.finalize import manifest, result_files, sweep, write_manifest
from datajob.engine.commit.lock import Lock
from datajob.engine.commit.open_run import open_run
from datajob.engine.commit.publication import announce, columns_of, complete_published, delete_unused
from datajob.engine.commit.result_types import refuse_mixed_types
from datajob.engine.commit.run_state import MANIFEST, RunState
from datajob.engine.empty_result import columns_unknown, result_columns, write_empty
from datajob.engine.events import Finished, Note
from datajob.engine.executors.base import Executor
from datajob.engine.executors.choice import ExecutorChoice
from datajob.engine.input.listing import Listing, list_input
from datajob.engine.options import RunOptions
from datajob.engine.pipeline import stage_count
from datajob.engine.plan.fused import StepPlan, plan_job
from datajob.engine.report.report_builder import ReportBuilder
from datajob.engine.stage import Records
from datajob.engine.stage_runner import StageRunner
from datajob.errors import DataJobError, SinkBusy, SinkError, described, plain
from datajob.formats._table_sink import TableWriter
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING
from datajob.operators.base import Global


def run_job(job: DataJob, options: RunOptions | None = None) -> Report:
    """Run a job to completion and return its report. Raises DataJobError for everything that the user must fix."""
    began = time.time()
    options = options or RunOptions()
    _check(job, options)
    plan = plan_job(job.spec)
    with ExecutorChoice(options, plan, job.spec.resources) as executors:
        sink = Folder(job.spec.sink.chosen.path, SinkError)
        with Lock(sink, options.run_id, options.job_id) as lock:
            state = _open(job, options, sink)
            if state.state == "complete":
                options.on_event(Note("This run is already complete. Nothing to do."))
                return Report.model_validate_json(sink.read(f"{BOOKKEEPING}/report.json"))
            writer = _writer(job, state)
            listing = _list(job, options, plan, state)
            if not columns_unknown(listing.source):
                raise_errors(check_columns(job.spec, tuple(listing.source.schema.names)))
            state = replace(state, target=listing.target)
            state.save(sink)
            attempt = Attempt(job, plan, options, sink, state, listing, writer)
            return _execute(attempt, executors.for_input(listing.size), lock, began)


def _check(job: DataJob, options: RunOptions) -> None:
    """Raise InvalidJob for the errors in a job; report its warnings as notes."""
    problems = check(job)
    raise_errors(problems)
    for problem in problems:
        options.on_event(Note(str(problem), problem))


def _open(job: DataJob, options: RunOptions, sink: Folder) -> RunState:
    """The state of the run that this attempt starts or resumes."""
    state = open_run(sink, job.metadata.name, job.spec.sink.chosen, options.fresh, options.run_id)
    return state if options.attempt is None else replace(state, attempt=options.attempt)


def _writer(job: DataJob, state: RunState) -> Writer:
    """The writer of the sink for a run."""
    writer: Writer = job.spec.sink.chosen
    return writer.for_run(state.run_id) if isinstance(writer, TableWriter) else writer


def _list(job: DataJob, options: RunOptions, plan: StepPlan, state: RunState) -> Listing:
    """The input of the job. If failed rows do not stop the job, neither do files that cannot be read."""
    readers = [source.chosen for source in job.spec.sources]
    sides = [reader for step in plan.steps if isinstance(step.operator, Global) for reader in step.operator.side_sources()]
    for reader in (*readers, *sides):
        reader.pin(state.versions)
    lenient = job.spec.errors.policy != "fail"
    return list_input(readers, state.target or options.shard_bytes, plan.inference, lenient)


def _execute(attempt: Attempt, executor: Executor, lock: Lock, began: float) -> Report:
    """Run all stages and complete the run. If it fails, the report states why."""
    stages = sum(map(stage_count, attempt.plan.cuts))
    listing = attempt.listing
    builder = ReportBuilder(attempt.state, attempt.plan.steps, stages, listing.files, listing.size, began=began)
    runner = StageRunner(attempt, executor, builder)
    try:
        records = runner.run()
        lock.check()
        return _complete(attempt, runner, builder, records)
    except SinkBusy:  # the report belongs to the other run
        raise
    except Exception as error:
        unexpected = not isinstance(error, DataJobError)
        with suppress(Exception) if unexpected else nullcontext():
            runner.save(builder.report("failed", plain(described(error)) if unexpected else str(error)))
        raise


def _complete(attempt: Attempt, runner: StageRunner, builder: ReportBuilder, records: Records) -> Report:
    """Make the files of the last stage the result, and delete everything else."""
    sink, state = attempt.sink, attempt.state
    if isinstance(attempt.writer, TableWriter):
        return _publish(attempt, attempt.writer, runner, builder, records)
    refuse_mixed_types(sink, attempt.writer, state, records.values())
    files = result_files(state, records.values()) or write_empty(attempt)
    attempt.writer.complete(sink, files, state.run_id)
    write_manifest(sink, state, files)
    sweep(sink, attempt.writer, files, runner.keys)
    attempt.rejects.sweep(runner.reject_files)
    report = builder.report("complete", output=_output(sink, files))
    runner.save(report)
    replace(state, state="complete").save(sink)
    attempt.options.on_event(Finished(report))
    return report


def _publish(attempt: Attempt, writer: TableWriter, runner: StageRunner, builder: ReportBuilder, records: Records) -> Report:
    """Make the files of the last stage a part of a table in one commit."""
    sink, state = attempt.sink, attempt.state
    files = result_files(state, records.values())
    schema = columns_of(writer, records.values())
    if schema is None and (columns := result_columns(attempt)):
        schema = writer.written_schema(columns)
    delete_unused(sink, writer, {file.path for file in files})
    attempt.rejects.sweep(runner.reject_files)
    report = builder.report("complete", output=_output(sink, files))
    announce(sink, state, manifest(state, files), report.model_dump_json(by_alias=True, indent=1))
    done = writer.publish(files, schema)
    runner.save(report)
    complete_published(sink, state)
    attempt.options.on_event(Note(done))
    attempt.options.on_event(Finished(report))
    return report


def _output(sink: Folder, files: list[OutputFile]) -> Output:
    return Output(
        manifest=sink.join(MANIFEST),
        files=len(files),
        bytes=sum(f.size for f in files),
        rows=sum(max(0, f.rows) for f in files),
    )
