"""`datajob run`: load the job, run it, show its progress, then what each step did to the rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import click

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.loading import Document, read_file
from datajob.api.overrides import parse_override
from datajob.api.problems import raise_errors
from datajob.api.variables import expand_paths
from datajob.python.jobs import choose, module_folders
from datajob.python.modules import importing_from


def run_file(
    *,
    file: str,
    name: str | None,
    overrides: Sequence[str],
    dry_run: bool,
    resume: bool,
    executor: str,
    ray_address: str | None,
    python_path: Sequence[str],
    quiet: bool,
) -> None:
    """Run one job of a file. Raises DataJobError."""
    document, folders = chosen_document(file, name, overrides), module_folders(file, python_path)
    if dry_run:
        from datajob.engine.plan.describe import describe

        with importing_from(*folders), document.locating_errors():
            click.echo(describe(checked_job(document)))
        return
    _run(document, folders, resume=resume, executor=executor, ray_address=ray_address, quiet=quiet)


def chosen_document(file: str, name: str | None, overrides: Sequence[str]) -> Document:
    """The selected job of a file, with `$VARIABLES` in its paths expanded. Raises InvalidJob if it is invalid."""
    document = choose(read_file(file, [parse_override(text) for text in overrides]), file, name)
    raise_errors(document.errors)
    assert document.job is not None
    return replace(document, job=expand_paths(document.job, os.environ))


def checked_job(document: Document) -> DataJob:
    """The job of a document, for commands that do not run it; warnings go to stderr. Raises InvalidJob for its errors."""
    assert document.job is not None
    checked = document.with_problems(check(document.job))
    raise_errors(checked.errors)
    for problem in checked.problems:
        click.echo(str(problem), err=True)
    return document.job


def _run(
    document: Document, folders: tuple[str, ...], *, resume: bool, executor: str, ray_address: str | None, quiet: bool
) -> None:
    import faulthandler

    from datajob.cli.watchdog import Watchdog
    from datajob.engine.events import Event
    from datajob.engine.options import RunOptions
    from datajob.formats._pandas_import import postpone_pandas
    from datajob.python.progress import watching
    from datajob.python.running import run_document
    from datajob.python.tables import report_text

    with suppress(OSError, ValueError, RuntimeError):  # stderr need not be a file
        faulthandler.enable()  # a crash of native code prints where it happened
    postpone_pandas()
    with Watchdog() as watchdog, watching(document.name or "job", quiet=quiet) as show:

        def on_event(event: Event) -> None:
            watchdog.on_event(event)
            show(event)

        options = RunOptions.from_environment(
            fresh=not resume,
            executor=executor,
            ray_address=ray_address,
            python_path=folders,
            on_event=on_event,
        )
        report = run_document(document, options)
    if not quiet:
        click.echo(report_text(report))
