"""Parses YAML into DataJobs and ModelServices, or into problems with their lines and suggestions."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from datajob.api import API_GROUP
from datajob.api.datajob import DataJob
from datajob.api.overrides import Override, apply
from datajob.api.problems import Path, Problem, closest, explain, raise_errors, shown
from datajob.api.service import KIND as SERVICE
from datajob.api.yamltext import YamlDocument, parse
from datajob.errors import InvalidJob
from datajob.parameters import Parameters

if TYPE_CHECKING:
    from datajob.api.service.service import ModelService

P = TypeVar("P", bound=Parameters)
JOB = "DataJob"


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
    """A DataJob or a ModelService as written, with its problems."""

    place: str
    """File and line of its first line."""
    name: str | None
    """Its `metadata.name`, if it has one."""
    job: DataJob | None
    """The job; None for a service, or if it does not match the schema."""
    problems: tuple[Problem, ...]
    service: ModelService | None = None
    """The service; None for a job, or if it does not match the schema."""
    source: Source | None = field(default=None, repr=False, compare=False)
    """The text that the document was read from."""

    def locate(self, problem: Problem) -> Problem:
        """`problem` with the file and line that it refers to."""
        return replace(problem, place=self.source.place(problem.path) if self.source else self.place)

    def with_problems(self, problems: Iterable[Problem]) -> Document:
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
    return _parse(value, DataJob)


def parse_service(value: Any) -> tuple[ModelService | None, list[Problem]]:
    """A ModelService from plain values, or its problems."""
    from datajob.api.service.service import ModelService

    return _parse(value, ModelService)


def _parse(value: Any, model: type[P]) -> tuple[P | None, list[Problem]]:
    if not isinstance(value, dict):
        return None, [Problem((), f"a {model.__name__} must be a mapping with apiVersion, kind, metadata and spec")]
    try:
        parsed = model.model_validate(value, by_alias=True, by_name=False, context={"by_name": False})
    except ValidationError as error:
        return None, explain(error, model, value)
    return parsed, []


def read_text(
    text: str, name: str = "<text>", overrides: Sequence[Override] = (), kinds: Collection[str] = (JOB,)
) -> list[Document]:
    """Every object of some kinds in a YAML stream; other documents are skipped. Messages refer to the text as `name`."""
    return [_document(one, name, overrides) for one in parse(text) if _is_one_of(kinds, one.value)]


def read_file(path: str, overrides: Sequence[Override] = (), kinds: Collection[str] = (JOB,)) -> list[Document]:
    """Every object of some kinds in a local file, or in standard input for `-`. Raises InvalidJob if there is none."""
    name = "<stdin>" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        documents = read_text(data.decode("utf-8-sig"), name, overrides, kinds)
    except OSError as error:
        raise InvalidJob(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidJob(f"{name} is not valid UTF-8 (byte {error.start})") from error
    if not documents:
        wanted = " or ".join(kinds)
        raise InvalidJob(f"{name} contains no {wanted} (apiVersion: {API_GROUP}/..., kind: {wanted})")
    return documents


def load_services(path: str, overrides: Sequence[Override] = ()) -> list[ModelService]:
    """The ModelServices of a file. Raises InvalidJob with every problem of every document."""
    documents = read_file(path, overrides, (SERVICE,))
    raise_errors(problem for document in documents for problem in document.errors)
    return [document.service for document in documents if document.service]


def load(path: str, overrides: Sequence[Override] = ()) -> list[DataJob]:
    """The DataJobs of a file. Raises InvalidJob with every problem of every document."""
    documents = read_file(path, overrides)
    raise_errors(problem for document in documents for problem in document.errors)
    return [document.job for document in documents if document.job]


def _is_one_of(kinds: Collection[str], value: Any) -> bool:
    """Whether a document is of one of the kinds, or of no kind at all, so that its problems are reported."""
    if not isinstance(value, dict) or not isinstance(value.get("apiVersion"), str) or "kind" not in value:
        return True
    if value["apiVersion"].split("/")[0] != API_GROUP:
        return False  # another object in the same file, such as a Secret
    return value["kind"] in kinds or value["kind"] not in (JOB, SERVICE)


def _document(document: YamlDocument, name: str, overrides: Sequence[Override]) -> Document:
    value, problems = document.value, list(document.problems)
    job: DataJob | None = None
    service: ModelService | None = None
    if value is not None:
        for override in overrides:
            value = apply(override, value)
        kind = value.get("kind", JOB) if isinstance(value, dict) else JOB
        if kind == SERVICE:
            service, found = parse_service(value)
        elif kind != JOB:
            kinds = (JOB, SERVICE)
            wrong = f"must be {' or '.join(f'`{each}`' for each in kinds)}, got {shown(kind)}"
            found = [Problem(("kind",), wrong, closest(str(kind), kinds))]
        else:
            job, found = parse_object(value)
        problems += found
    metadata = value.get("metadata") if isinstance(value, dict) else None
    return Document(
        place=f"{name}:{document.line(())}",
        name=str(metadata["name"]) if isinstance(metadata, dict) and metadata.get("name") else None,
        job=job,
        problems=(),
        service=service,
        source=Source(document, name, overrides),
    ).with_problems(problems)
