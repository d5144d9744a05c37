"""`datajob validate`: all problems in the jobs and services of all files."""

import json
import os
from collections.abc import Sequence
from typing import Any

import click

from datajob.api.checks import check, check_imports
from datajob.api.loading import JOB, Document, read_file
from datajob.api.overrides import Override, parse_override
from datajob.api.problems import Problem, dotted
from datajob.api.service import KIND as SERVICE
from datajob.errors import InvalidJob
from datajob.python.modules import importing_from


def validate_files(files: Sequence[str], overrides: Sequence[str], *, imports: bool, form: str) -> int:
    """Print the problems in the jobs and services of `files`. Returns 2 if one of them is invalid, else 0."""
    wanted = [parse_override(text) for text in overrides]
    documents = [document for file in files for document in _read(file, wanted, imports)]
    if form == "json":
        click.echo(json.dumps([_as_data(document) for document in documents], indent=2, ensure_ascii=False))
    else:
        for document in documents:
            _print(document)
    return InvalidJob.exit_code if any(document.errors for document in documents) else 0


def _read(file: str, overrides: Sequence[Override], imports: bool) -> list[Document]:
    try:
        documents = read_file(file, overrides, (JOB, SERVICE))
    except InvalidJob as error:
        return [Document(file, None, None, (Problem((), str(error)),))]
    checked = [document.with_problems(_found(document)) for document in documents]
    if not imports:
        return checked
    with importing_from(os.path.dirname(os.path.abspath(file))):
        return [document.with_problems(check_imports(document.job)) if document.job else document for document in checked]


def _found(document: Document) -> list[Problem]:
    """The problems that the schema cannot express."""
    if document.service:
        from datajob.api.service.checks import check_service

        return check_service(document.service)
    return check(document.job) if document.job else []


def _print(document: Document) -> None:
    verdict = click.style("invalid", fg="red") if document.errors else click.style("ok", fg="green")
    click.echo(": ".join(part for part in (document.place, document.name, verdict) if part))
    for problem in document.problems:
        click.echo(f"  {problem}")


def _as_data(document: Document) -> dict[str, Any]:
    problems = [
        {
            "place": problem.place,
            "path": dotted(problem.path),
            "level": "warning" if problem.warning else "error",
            "message": problem.message,
            "suggestion": problem.suggestion,
        }
        for problem in document.problems
    ]
    return {"place": document.place, "name": document.name, "valid": not document.errors, "problems": problems}
