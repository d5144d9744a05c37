"""Parses YAML into DataJobs, or into problems with their lines and suggestions."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from datajob.api import API_GROUP
from datajob.api.datajob import DataJob
from datajob.api.overrides import Override, apply
from datajob.api.problems import Path, Problem, explain, raise_errors
from datajob.api.yamltext import YamlDocument, parse
from datajob.errors import InvalidJob


@dataclass(frozen=True)
class Source:
    """The text of a document and the overrides applied to it."""

    document: YamlDocument
    name: str
    """The name of the file in messages."""
    overrides: Sequence[Override]

    def line(self, problem: Problem) -> int:
        """The line that `problem` refers to."""
        return self.document.line(problem.path)

    def place(self, path: Path) -> str:
        """File and line of `path`, or `--set` when an override set it."""
        if any(path[: len(override.path)] == override.path for override in self.overrides):
            return "--set"
        return f"{self.name}:{self.document.line(path)}"


@dataclass(frozen=True)
class Document:
    """A DataJob as written, with its problems."""

    place: str
    """File and line of its first line."""
    name: str | None
    """Its `metadata.name`, if it has one."""
    job: DataJob | None
    """None if it does not match the schema."""
    problems: tuple[Problem, ...]
    source: Source | None = field(default=None, repr=False, compare=False)
    """The text that the document was read from."""

    def locate(self, problem: Problem) -> Problem:
        """`problem` with the file and line that it refers to."""
        return replace(problem, place=self.source.place(problem.path) if self.source else self.place)

    def with_problems(self, problems: Iterable[Problem]) -> "Document":
        """This document with further problems, in the order of their lines."""
        found = [*self.problems, *map(self.locate, problems)]
        if self.source:
            found.sort(key=self.source.line)
        return replace(self, problems=tuple(found))

    @contextmanager
    def locating_errors(self) -> Iterator[None]:
        """Add file and line to the problems of an InvalidJob that is raised meanwhile."""
        try:
            yield
        except InvalidJob as error:
            raise_errors(map(self.locate, error.problems))
            raise

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that prevent a run."""
        return tuple(problem for problem in self.problems if not problem.warning)


def parse_object(value: Any) -> tuple[DataJob | None, list[Problem]]:
    """A DataJob from plain values, or its problems. Fields that the API server adds to an object are allowed."""
    if not isinstance(value, dict):
        return None, [Problem((), "a DataJob must be a mapping with apiVersion, kind, metadata and spec")]
    try:
        job = DataJob.model_validate(value, by_alias=True, by_name=False, context={"by_name": False})
    except ValidationError as error:
        return None, explain(error, DataJob, value)
    return job, []


def read_text(text: str, name: str = "<text>", overrides: Sequence[Override] = ()) -> list[Document]:
    """Every DataJob of a YAML stream; documents of other API groups are skipped. Messages refer to the text as `name`."""
    return [_document(document, name, overrides) for document in parse(text) if not _is_another_kind(document.value)]


def read_file(path: str, overrides: Sequence[Override] = ()) -> list[Document]:
    """Every DataJob of a local file, or of standard input for `-`. Raises InvalidJob if there is none."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        documents = read_text(data.decode("utf-8-sig"), name, overrides)
    except OSError as error:
        raise InvalidJob(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidJob(f"{name} is not valid UTF-8 (byte {error.start})") from error
    if not documents:
        raise InvalidJob(f"{name} contains no DataJob (apiVersion: {API_GROUP}/..., kind: DataJob)")
    return documents


def load(path: str, overrides: Sequence[Override] = ()) -> list[DataJob]:
    """The DataJobs of a file. Raises InvalidJob with every problem of every document."""
    documents = read_file(path, overrides)
    raise_errors(problem for document in documents for problem in document.errors)
    return [document.job for document in documents if document.job]


def _is_another_kind(value: Any) -> bool:
    """Whether it is an object of another kind in the same file, such as a Secret."""
    if not isinstance(value, dict) or not isinstance(value.get("apiVersion"), str) or "kind" not in value:
        return False
    return str(value["apiVersion"]).split("/")[0] != API_GROUP


def _document(document: YamlDocument, name: str, overrides: Sequence[Override]) -> Document:
    value, problems, job = document.value, list(document.problems), None
    if value is not None:
        for override in overrides:
            value = apply(override, value)
        job, found = parse_object(value)
        problems += found
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return Document(
        place=f"{name}:{document.line(())}",
        name=str(metadata["name"]) if isinstance(metadata, dict) and metadata.get("name") else None,
        job=job,
        problems=(),
        source=Source(document, name, overrides),
    ).with_problems(problems)
