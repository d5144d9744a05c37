"""Runs and analyzes jobs from Python."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import get_args

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.loading import Document
from datajob.api.problems import raise_errors
from datajob.api.report import Report
from datajob.engine.events import Event, Note
from datajob.engine.options import ExecutorName, RunOptions
from datajob.engine.plan.analysis import Analysis as Wanted
from datajob.engine.plan.analysis import analysis_job
from datajob.errors import InvalidJob
from datajob.python.analysis import Analysis
from datajob.python.jobs import Job, module_folders, opened, parsed
from datajob.python.kept_log import KeptLog
from datajob.python.modules import importing_from
from datajob.python.result import Result
from datajob.python.watching import ProgressOption, watching_by


def run(
    job: Job,
    *,
    resume: bool = True,
    executor: ExecutorName = "auto",
    ray_address: str | None = None,
    python_path: Sequence[str] = (),
    progress: ProgressOption = False,
) -> Result:
    """Run a job to its end, on this machine or on a Ray cluster.

    Args:
        job: A job, the path of its YAML file, or its content as a mapping.
        resume: Reuse the shards that an interrupted run of the same job committed; False repeats all of them.
        executor: `ray`, `local` (this process), or `auto`: whichever is faster for the input and its steps.
        ray_address: Address of an existing Ray cluster, such as `auto` or `ray://host:10001`; by default one is started
            on this machine if needed.
        python_path: Folders with modules that the job's functions come from, in addition to the folder of the file (for
            a job without a file, the current directory).
        progress: True shows the progress on the terminal or in the notebook. A function is called with the `Report`
            after each shard.

    Returns:
        The result: its report and its files, which it can read.

    Raises:
        InvalidJob: The job has errors.
        InputError: The input is missing or unreadable.
        SinkError: The result cannot be written, for instance because the sink already holds data.
        RowsFailed: More rows failed than `spec.errors` allows.
        StorageUnavailable: The storage does not respond; running the job again resumes the run.
        WorkerDied: Every worker that processed a shard terminated, for example because it ran out of memory.
    """
    _check_executor(executor)
    document = opened(job)
    parsed_job, folders = parsed(document), module_folders(job, python_path)
    with watching_by(progress, parsed_job.metadata.name) as on_event:
        options = RunOptions.from_environment(
            fresh=not resume, executor=executor, ray_address=ray_address, python_path=folders, on_event=on_event
        )
        report = run_document(document, options)
    return Result.of(parsed_job, report)


def run_document(document: Document, options: RunOptions) -> Report:
    """Run the job of a document; its problems name the file and the line. Raises DataJobError."""
    from datajob.engine.driver import run_job

    def on_event(event: Event) -> None:
        located = isinstance(event, Note) and event.problem and document.locate(event.problem)
        event = Note(str(located)) if located else event
        kept.watch(event)
        options.on_event(event)

    job = parsed(document)
    kept = KeptLog(job.spec.sink.chosen.path)
    with importing_from(*options.python_path), document.locating_errors(), kept:
        return run_job(job, replace(options, on_event=on_event))


def analyze(
    job: Job,
    *,
    column: str | None = None,
    numbers: Sequence[str] = (),
    measures: Sequence[str] = (),
    sample: float = 1.0,
    after: str | None = None,
    out: str | None = None,
    executor: ExecutorName = "auto",
    ray_address: str | None = None,
    python_path: Sequence[str] = (),
    progress: ProgressOption = False,
) -> Analysis:
    """Measure the rows of a job without running it: distributions, what limits would reject, and suggested limits.

    Args:
        job: A job, the path of its YAML file, or its content as a mapping.
        column: The text column to measure; by default the column of the job's first filter with limits, or `text`.
        numbers: Numeric columns to describe as well.
        measures: Keys of the filters whose measures to take; by default the standard ones.
        sample: Fraction of the rows to measure, above 0 and up to 1.
        after: Name of the step after which to measure; by default rows are measured as they are read.
        out: Folder for the report; by default no report is kept.
        executor: As in `run`.
        ray_address: As in `run`. Requires `out`, a folder that all workers can reach.
        python_path: As in `run`.
        progress: As in `run`.

    Returns:
        The measures.

    Raises:
        InvalidJob: The job has errors, or a step, column or measure does not exist.
        InputError: The input is missing or unreadable.
        SinkError: `out` cannot be written.
        RowsFailed: More rows failed than `spec.errors` allows.
        StorageUnavailable: The storage does not respond.
        WorkerDied: Every worker that processed a shard terminated.
    """
    _check_executor(executor)
    _check_sample(sample)
    document = opened(job)
    raise_errors(document.with_problems(check(parsed(document))).errors)
    wanted = Wanted(column, tuple(numbers), tuple(measures), sample, after)
    folders = module_folders(job, python_path)
    with watching_by(progress, parsed(document).metadata.name) as on_event:
        options = RunOptions.from_environment(
            executor=executor, ray_address=ray_address, python_path=folders, on_event=on_event
        )
        return Analysis(analyze_job(parsed(document), wanted, out, options))


def analyze_job(job: DataJob, wanted: Wanted, out: str | None, options: RunOptions) -> Report:
    """The report of the analysis of a job, which is kept in `out` if that is given. Raises DataJobError."""
    from datajob.engine.driver import run_job

    if options.ray_address and not out:
        raise InvalidJob("an analysis on a Ray cluster needs an output folder that all workers can reach (`--out`, `out=`)")
    with importing_from(*options.python_path), _folder(out) as folder:
        return run_job(analysis_job(job, wanted, folder), options)


def _check_executor(executor: str) -> None:
    if executor not in get_args(ExecutorName):
        raise InvalidJob(f"executor must be one of {', '.join(get_args(ExecutorName))}, got {executor}")


def _check_sample(sample: float) -> None:
    if not 0 < sample <= 1:
        raise InvalidJob(f"sample must be greater than 0 and at most 1, got {sample}")


@contextmanager
def _folder(out: str | None) -> Iterator[str]:
    if out:
        yield out
    else:
        with tempfile.TemporaryDirectory(prefix="datajob-analyze-") as folder:
            yield folder
