"""Opens jobs however they are given, and checks and plans them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TextIO

from datajob.api.checks import check, check_imports
from datajob.api.datajob import DataJob
from datajob.api.loading import Document, parse_object, read_file, read_text
from datajob.api.overrides import Override, parse_path
from datajob.api.problems import Problem, raise_errors
from datajob.errors import InvalidJob
from datajob.python.modules import importing_from

Job = DataJob | Mapping[str, Any] | str | os.PathLike[str]
"""A job, its content as in YAML, or the path of its YAML file."""


def load(
    source: str | os.PathLike[str] | TextIO | Mapping[str, Any],
    *,
    name: str | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> DataJob:
    """Load a job without checking or running it.

    Args:
        source: Path of a YAML file, an open text file, or the content of a job as a mapping with the keys of the YAML.
        name: `metadata.name` of the job to load from a file with several jobs.
        overrides: Values to replace, by path: `{"spec.steps[0].limit.count": 100}`.

    Returns:
        The job.

    Raises:
        InvalidJob: The file cannot be read, or the job does not match the schema. The message lists every problem with
            its line.
    """
    changed = [Override(parse_path(path), value) for path, value in (overrides or {}).items()]
    if isinstance(source, Mapping):
        document = choose([from_value(source, changed)], "the mapping", name)
    elif isinstance(source, str | os.PathLike):
        document = choose(read_file(os.fspath(source), changed), os.fspath(source), name)
    else:
        file = str(getattr(source, "name", "<text>"))
        document = choose(read_text(source.read(), file, changed), file, name)
    return parsed(document)


def validate(job: Job, *, imports: bool = False) -> list[Problem]:
    """Check a job without running it.

    Args:
        job: A job, the path of its YAML file, or its content as a mapping.
        imports: Also import the functions and classes that the steps name.

    Returns:
        The problems, in the order of their lines; empty if the job is valid. Problems with `warning` set do not prevent
        a run.

    Raises:
        InvalidJob: The file cannot be read or contains several jobs.
    """
    document = opened(job)
    if document.job is None:
        return list(document.problems)
    document = document.with_problems(check(document.job))
    if imports and document.job is not None:
        with importing_from(*module_folders(job)):
            document = document.with_problems(check_imports(document.job))
    return list(document.problems)


@dataclass(frozen=True, repr=False)
class Plan:
    """How a job will run: its stages with their steps, and where rows are exchanged. Prints like `run --dry-run`."""

    job: DataJob
    """The job."""
    text: str
    """The plan, one line for each source, stage and sink."""

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def plan(job: Job, *, python_path: Sequence[str] = ()) -> Plan:
    """Plan a job without reading its data.

    Args:
        job: A job, the path of its YAML file, or its content as a mapping.
        python_path: Folders with modules that the job's functions come from, in addition to the folder of the file (for
            a job without a file, the current directory).

    Returns:
        The plan; print it to read it.

    Raises:
        InvalidJob: The job has errors, or a function that it names does not exist.
    """
    from datajob.engine.plan.describe import describe

    document = opened(job)
    checked = parsed(document)
    raise_errors(document.with_problems(check(checked)).errors)
    with importing_from(*module_folders(job, python_path)), document.locating_errors():
        return Plan(checked, describe(checked))


def opened(job: Job) -> Document:
    """The document of a job, with the problems found by parsing it. Raises InvalidJob for a file that is not one job."""
    if isinstance(job, DataJob):
        return Document("", job.metadata.name, job, ())
    if isinstance(job, Mapping):
        return from_value(job)
    path = os.fspath(job)
    return choose(read_file(path), path, None)


def from_value(value: Mapping[str, Any], overrides: Sequence[Override] = ()) -> Document:
    """The document of a job given as plain values."""
    from datajob.api.overrides import apply

    content: Any = dict(value)
    for override in overrides:
        content = apply(override, content)
    job, problems = parse_object(content)
    return Document("", job.metadata.name if job else None, job, tuple(problems))


def parsed(document: Document) -> DataJob:
    """The job of a document. Raises InvalidJob if it does not match the schema."""
    raise_errors(document.errors)
    assert document.job is not None
    return document.job


def choose(documents: Sequence[Document], file: str, name: str | None) -> Document:
    """The document called `name`, or the only one. Raises InvalidJob if there is no such job or if there are several."""
    names = ", ".join(document.name or "?" for document in documents)
    found = [document for document in documents if name in (None, document.name)]
    if not found:
        raise InvalidJob(f"{file} contains no job named {name}; it contains: {names or 'none'}")
    if len(found) > 1:
        advice = "select one with `--name NAME`, or in Python with `datajob.load(path, name=...)`"
        raise InvalidJob(f"{file} contains {len(found)} jobs ({names}); {advice}")
    return found[0]


def module_folders(job: object, python_path: Sequence[str] = ()) -> tuple[str, ...]:
    """Where the functions of a job are looked up: the folder of its file (else the current one), then `python_path`."""
    if isinstance(job, str | os.PathLike) and os.fspath(job) != "-":
        beside = os.path.dirname(os.path.abspath(os.fspath(job)))
    else:
        beside = os.getcwd()
    return (beside, *map(os.path.abspath, python_path))
