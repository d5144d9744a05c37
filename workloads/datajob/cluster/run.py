"""The entrypoint of the Ray job on a cluster: `python -m datajob.cluster.run JOB.yaml`.

Reads the job, runs it on the Ray cluster that the driver is part of, and keeps the report ConfigMap up to date. Exit codes are
those of `datajob run`; `datajob.api.contract` classifies them for the controller.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from datajob.api.contract import (
    DRIVER_STARTED,
    ENV_ATTEMPT,
    ENV_EXECUTOR,
    ENV_JOB_ID,
    ENV_RUN_ID,
    ENV_SHOW_ROWS,
    IMPORT_ERRORS,
    MEMORY_ERRORS,
    RAY_ERRORS,
)
from datajob.api.datajob import DataJob
from datajob.api.loading import read_file
from datajob.api.problems import raise_errors
from datajob.api.report import Report
from datajob.cluster.kept_log import KeptLog
from datajob.cluster.report_configmap import ConfigMapAddress, ReportPublisher
from datajob.engine.events import Event, Finished, Note, OnEvent, Progressed
from datajob.engine.options import RunOptions
from datajob.errors import DataJobError, described, frames, plain

log = logging.getLogger("datajob")

_HIDDEN = (
    " The report next to the output contains the row and the message of the error. To show them here, use the setting "
    "`show_row_contents` of the controller."
)


_WITHOUT_VALUES = RAY_ERRORS | MEMORY_ERRORS | IMPORT_ERRORS
"""Exceptions whose messages contain no values of rows."""


def main(path: str, environment: Mapping[str, str] = os.environ) -> int:
    """Run the job in `path` and return the exit code of the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    address = ConfigMapAddress.from_environment(environment)
    publisher = ReportPublisher(address) if address else None
    last: Report | None = None
    logged = ""
    kept = KeptLog()

    def watch(event: Event) -> None:
        nonlocal last, logged
        if isinstance(event, Progressed | Finished):
            last = event.report.model_copy(update={"log": kept.path})
            if publisher is not None:
                publisher.offer(last)
            line = _progress_line(event.report)
            if line != logged:  # while shards are in progress, reports arrive every second
                log.info(line)
            logged = line
        elif isinstance(event, Note):
            log.info(event.message)

    options = run_options(path, environment, watch)
    with kept:
        code, message = _run(path, options, kept, show_rows=may_show_rows(environment))
        if code:
            log.error(message)
            last = _failed(last, message, code, options.attempt).model_copy(update={"log": kept.path})
    if publisher is not None:
        publisher.close(last)
    return code


def run_options(path: str, environment: Mapping[str, str], on_event: OnEvent) -> RunOptions:
    """The options that the environment of the pod sets."""
    attempt = environment.get(ENV_ATTEMPT)
    return RunOptions.from_environment(
        environment,
        executor=environment.get(ENV_EXECUTOR, "auto"),
        in_cluster=True,
        run_id=environment.get(ENV_RUN_ID),
        job_id=environment.get(ENV_JOB_ID),
        attempt=int(attempt) if attempt else None,
        python_path=(str(Path(path).resolve().parent), str(Path.cwd())),
        on_event=on_event,
    )


def may_show_rows(environment: Mapping[str, str]) -> bool:
    """Whether messages may contain values of rows."""
    return environment.get(ENV_SHOW_ROWS) == "true"


def mounted_job(path: str) -> DataJob:
    """The job in `path`. Its problems name the field only, since the user does not have the mounted file."""
    document = read_file(path)[0]
    raise_errors(replace(problem, place=None) for problem in document.errors)
    assert document.job is not None
    return document.job


def _run(path: str, options: RunOptions, kept: KeptLog, *, show_rows: bool) -> tuple[int, str]:
    from datajob.engine.driver import run_job

    try:
        job = mounted_job(path)
        kept.start(job.spec.sink.chosen.path, options.attempt or 1)
        log.info(DRIVER_STARTED)
        run_job(job, replace(options, fresh=bool(job.spec.restart and job.spec.restart.fresh)))
    except DataJobError as error:
        hidden = "" if show_rows or error.public == str(error) else _HIDDEN
        return error.exit_code, str(error) if show_rows else error.public + hidden
    except Exception as error:  # noqa: BLE001 - the report must state every failure
        return 1, _unexpected(error, show_rows=show_rows)
    return 0, ""


def _unexpected(error: Exception, *, show_rows: bool) -> str:
    """Print the traceback of an exception and return its message, without values of rows unless they may be shown."""
    kind = type(error).__name__
    if show_rows or kind.removeprefix("RayTaskError(").rstrip(")") in _WITHOUT_VALUES:
        traceback.print_exc()
        return plain(described(error))
    print(frames(error), flush=True)
    return f"{kind}: unexpected error.{_HIDDEN}"


def _progress_line(report: Report) -> str:
    p = report.progress
    limit = f", limited by {p.bottleneck}" if p.bottleneck else ""
    return (
        f"{p.percent}%: {p.rows_in} rows read, {p.rows_out} written, {p.rows_rejected} rejected, {p.rows_failed} failed{limit}"
    )


def _failed(last: Report | None, message: str, code: int, attempt: int | None) -> Report:
    from datajob import __version__
    from datajob.engine.commit.run_state import now

    report = last or Report(name="datajob", state="failed", started=now(), version=__version__, attempt=attempt or 1)
    return report.model_copy(update={"state": "failed", "message": message, "exit_code": code, "finished": now()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
