"""`datajob run`: load the job, run it, show how far it is, then what became of the rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.loading import Document, read_file
from datajob.api.overrides import parse_override
from datajob.api.problems import raise_errors
from datajob.cli.modules import importing_from
from datajob.errors import InvalidJob

if TYPE_CHECKING:
    from datajob.engine.events import Event


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
    """Run one job of a file. Raises DataJobError for what a person has to mend."""
    document, folders = chosen_document(file, name, overrides), module_folders(file, python_path)
    with importing_from(*folders), document.locating_errors():
        if dry_run:
            from datajob.engine.plan.fused import describe

            click.echo(describe(checked_job(document)))
            return
        _run(document, folders, resume=resume, executor=executor, ray_address=ray_address, quiet=quiet)


def chosen_document(file: str, name: str | None, overrides: Sequence[str]) -> Document:
    """The selected job of a file. Raises InvalidJob when it does not fit the schema."""
    document = _chosen(read_file(file, [parse_override(text) for text in overrides]), file, name)
    raise_errors(document.errors)
    return document


def checked_job(document: Document) -> DataJob:
    """The job of a document, for commands that do not run it; warnings go to stderr. Raises InvalidJob for its errors."""
    assert document.job is not None
    document = document.with_problems(check(document.job))
    raise_errors(document.errors)
    for problem in document.problems:
        click.echo(str(problem), err=True)
    assert document.job is not None
    return document.job


def module_folders(file: str, python_path: Sequence[str]) -> tuple[str, ...]:
    """Where the job's functions are looked for: beside its file, then in the folders named."""
    with_job_filters = os.getcwd() if file == "-" else os.path.dirname(os.path.abspath(file))
    return (with_job_filters, *map(os.path.abspath, python_path))


def _run(
    document: Document, folders: tuple[str, ...], *, resume: bool, executor: str, ray_address: str | None, quiet: bool
) -> None:
    from datajob.cli.progress import watching
    from datajob.cli.tables import report_text
    from datajob.engine.driver import run_job
    from datajob.engine.events import Note
    from datajob.engine.options import RunOptions

    job = document.job
    assert job is not None
    with watching(job.metadata.name, quiet=quiet) as show:

        def on_event(event: Event) -> None:
            located = isinstance(event, Note) and event.problem and document.locate(event.problem)
            show(Note(str(located)) if located else event)

        report = run_job(
            job,
            RunOptions(
                fresh=not resume,
                executor=executor,  # type: ignore[arg-type]  # click offers no other
                ray_address=ray_address,
                python_path=folders,
                on_event=on_event,
            ),
        )
    if not quiet:
        click.echo(report_text(report))


def _chosen(documents: Sequence[Document], file: str, name: str | None) -> Document:
    """The one job to run."""
    names = ", ".join(document.name or "?" for document in documents)
    found = [document for document in documents if name in (None, document.name)]
    if not found:
        raise InvalidJob(f"{file} has no job called {name}; it has {names}")
    if len(found) > 1:
        raise InvalidJob(f"{file} holds {len(found)} jobs ({names}): choose one with --name")
    return found[0]
