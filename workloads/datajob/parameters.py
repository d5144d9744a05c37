"""The base of every model that is written in YAML: frozen, camelCase, no unknown keys.

The meaning of the keys belongs to `formats`, `operators` and `api`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema


class Parameters(BaseModel):
    """A frozen mapping of parameters: camelCase in YAML, snake_case in Python."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    hints: ClassVar[Mapping[str, str]] = {}
    """Suggestions for keys that are missing, that belong elsewhere, or whose value is not a mapping."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _take_literally(schema)
        return schema


def _take_literally(schema: Any) -> None:
    """Reject `"3"` as a number and `1` as a boolean everywhere in `schema`, as the Kubernetes API server does."""
    if isinstance(schema, dict):
        if schema.get("type") in ("int", "float", "bool"):
            schema["strict"] = True
        for key, part in schema.items():
            if key != "default":
                _take_literally(part)
    elif isinstance(schema, list):
        for part in schema:
            _take_literally(part)


def in_words(pattern: str, words: str) -> BeforeValidator:
    """For a string with a pattern: an error message that describes the pattern in words. It follows the `Field` of the pattern:
    pydantic leaves constraints that come after it out of the schema."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value and not re.search(pattern, value):
            raise ValueError(f"{words}, got {json.dumps(value, ensure_ascii=False)}")
        return value

    return BeforeValidator(check)


def cel(rule: str, message: str) -> dict[str, Any]:
    """For `json_schema_extra` of a model: a rule across fields, in CEL, that the API server checks as well."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": message}]}


@dataclass(frozen=True)
class Reads:
    """Marks a parameter that contains the names of columns that the step reads."""


@dataclass(frozen=True)
class Writes:
    """Marks a parameter that contains the name of a column that the step adds."""


@dataclass(frozen=True)
class ReadsFile:
    """Marks a parameter that is the path of a file or folder that the step reads. Its content is part of a shard's key."""

    within: str | None = None
    """The only file that the step reads if the path is a folder."""


@dataclass(frozen=True)
class TokenColumns:
    """The columns by which the report counts the tokens of each source."""

    tokens: str
    """Column of token lists, or of numbers of tokens."""
    source: str | None
    """None: all rows have one source."""
    maximum: int | None = None
    """Number of tokens of a row that count; None: all."""


FilePath = Annotated[str, Field(min_length=1), ReadsFile()]
Column = Annotated[str, Field(min_length=1), Reads()]
Columns = Annotated[tuple[str, ...], Field(min_length=1), Reads()]
NewColumn = Annotated[str, Field(min_length=1), Writes()]


def _metadata(annotation: Any) -> Iterator[Any]:
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _metadata(part)


def columns_by_field(parameters: Parameters, mark: type[Reads] | type[Writes]) -> dict[str, tuple[str, ...]]:
    """The column names held by each field of `parameters` that carries `mark`, by the field's YAML key."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in type(parameters).model_fields.items():
        marks = [*field.metadata, *_metadata(field.annotation)]
        value = getattr(parameters, name)
        if value is not None and any(isinstance(m, mark) for m in marks):
            found[field.alias or name] = _names(value)
    return found


def _names(value: Any) -> tuple[str, ...]:
    """The columns that a marked field names: itself, its entries, or the values of its keys."""
    if isinstance(value, str):
        return (value,)
    return tuple(value.values()) if isinstance(value, Mapping) else tuple(value)


def marked_columns(parameters: Parameters, mark: type[Reads] | type[Writes]) -> tuple[str, ...]:
    """The column names held by the fields of `parameters` that carry `mark`, in field order."""
    return tuple(dict.fromkeys(column for columns in columns_by_field(parameters, mark).values() for column in columns))


def named_files(parameters: Parameters) -> tuple[tuple[str, ReadsFile], ...]:
    """The paths held by the fields of `parameters`, and of the parameters within them, that carry `ReadsFile`."""
    found: list[tuple[str, ReadsFile]] = []
    for name, field in type(parameters).model_fields.items():
        value = getattr(parameters, name)
        mark = next((m for m in (*field.metadata, *_metadata(field.annotation)) if isinstance(m, ReadsFile)), None)
        if mark is not None and value:
            found += [(path, mark) for path in ((value,) if isinstance(value, str) else value)]
        values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
        found += [file for part in values if isinstance(part, Parameters) for file in named_files(part)]
    return tuple(found)
