"""Problems in a job: the field, what is wrong with it, and a suggestion."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.one_of import Choice
from datajob.parameters import Parameters
from datajob.suggest import nearest

Path = tuple[str | int, ...]
"""Keys and indexes from the top of a document: `("spec", "steps", 2, "filter")`."""


@dataclass(frozen=True)
class Problem:
    """A problem in a job. `str(problem)` is a line with the place, the field, the message and the suggestion."""

    path: Path
    """Keys and indexes of the field, from the top of the document."""
    message: str
    """What is wrong."""
    suggestion: str | None = None
    """How to fix it, if known."""
    warning: bool = False
    """True if the job can run nevertheless."""
    place: str | None = None
    """File and line, such as `job.yaml:12`."""

    def __str__(self) -> str:
        parts = [self.place, dotted(self.path), "warning" if self.warning else None, self.message]
        text = ": ".join(part for part in parts if part)
        return f"{text}; {self.suggestion}" if self.suggestion else text


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raise InvalidJob with the problems that are not warnings, if there are any."""
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        what = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
        raise InvalidJob(f"{what} in the job:\n" + "\n".join(f"  {problem}" for problem in errors), errors)


def dotted(path: Path) -> str:
    """`("spec", "steps", 2, "filter")` -> `spec.steps[2].filter`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def closest(word: str, words: Iterable[str]) -> str | None:
    """`did you mean ...?` with the most similar of `words`; None if none is similar."""
    near = nearest(word, words)
    return f"did you mean `{near}`?" if near else None


def explain(error: ValidationError, model: type[Parameters], document: Any) -> list[Problem]:
    """The problems that pydantic found in `document`, one per field, in the order of the fields."""
    found: dict[Path, Problem] = {}
    for detail in error.errors(include_url=False):
        path = _real_path(detail["loc"], document, missing=detail["type"] == "missing")
        problem = _problem(detail, path, model, document)
        before = found.get(path)
        if before and before.message != problem.message:  # the branches of a union
            problem = Problem(path, f"{before.message}, or {problem.message}", before.suggestion or problem.suggestion)
        found[path] = problem
    return [p for p in found.values() if not _follows_from_others(p, found, document)]


def model_at(path: Path, model: type[Parameters]) -> type[Parameters] | None:
    """The model of the mapping at `path`, or None if there is none."""
    here: type[Parameters] | None = model
    keyed = False  # whether the next part is a key that the user chooses
    for part in path:
        if here is None:
            return None
        if keyed or isinstance(part, int):
            keyed = False
        elif issubclass(here, Choice):
            here = here.alternatives.get(part)
        else:
            annotation = _annotation(here, part)
            here, keyed = _model_in(annotation), get_origin(annotation) is dict
    return here


def keys_of(model: type[Parameters]) -> list[str]:
    """The keys of a mapping, as written in YAML."""
    return [field.alias or name for name, field in model.model_fields.items()]


def value_at(path: Path, document: Any) -> Any:
    """The value at `path` in the document, or None if there is none."""
    for part in path:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def shown(value: Any) -> str:
    """A value as text, shortened."""
    if value is None:
        return "null"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _annotation(model: type[Parameters], key: str) -> Any:
    return next((field.annotation for name, field in model.model_fields.items() if key == (field.alias or name)), None)


def _model_in(annotation: Any) -> type[Parameters] | None:
    if isinstance(annotation, type) and issubclass(annotation, Parameters):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _real_path(loc: Path, document: Any, *, missing: bool) -> Path:
    """Pydantic's location without the names of union branches, which are not part of the document."""
    path: list[str | int] = []
    for index, part in enumerate(loc):
        here = value_at(tuple(path), document)
        is_there = (isinstance(here, Mapping) and part in here) or (isinstance(here, list | tuple) and isinstance(part, int))
        if is_there or (missing and index == len(loc) - 1):
            path.append(part)
    return tuple(path)


def _follows_from_others(problem: Problem, found: Mapping[Path, Problem], document: Any) -> bool:
    """Pydantic also reports a list as too short when all of its entries are invalid."""
    if "at least" not in problem.message or not value_at(problem.path, document):
        return False
    return any(path[: len(problem.path)] == problem.path != path for path in found)


def _problem(detail: Mapping[str, Any], path: Path, model: type[Parameters], document: Any) -> Problem:
    kind, value = str(detail["type"]), detail["input"]
    if kind == "missing":
        return Problem(path, f"required field `{path[-1]}` is missing", _hint(path, model))
    if kind == "extra_forbidden":
        return _unknown_key(path, model)
    if kind == "literal_error":
        allowed = [str(word) for word in get_args(_annotation(model_at(path[:-1], model) or model, str(path[-1])))]
        return Problem(path, f"must be {detail['ctx']['expected']}, got {shown(value)}", closest(str(value), allowed))
    if kind == "value_error":
        return Problem(path, str(detail["ctx"]["error"]), _misplaced(path, model, document))
    if kind in _MESSAGES:
        suggestion = _hint(path, model) if kind in ("model_type", "dict_type") else _rewrite(kind, value)
        return Problem(path, f"{_MESSAGES[kind](detail.get('ctx', {}))}, got {shown(value)}", suggestion)
    return Problem(path, f"{detail['msg']}, got {shown(value)}")


def _unknown_key(path: Path, model: type[Parameters]) -> Problem:
    block = model_at(path[:-1], model)
    key = str(path[-1])
    if block is None:
        return Problem(path, f"unknown key `{key}`")
    known = list(block.alternatives) if issubclass(block, Choice) else keys_of(block)
    what = block.what if issubclass(block, Choice) else "key"
    return Problem(path, f"unknown {what} `{key}`", block.hints.get(key) or closest(key, known) or _all(known))


def _hint(path: Path, model: type[Parameters]) -> str | None:
    block = model_at(path[:-1], model)
    return block.hints.get(str(path[-1])) if block else None


def _all(keys: Iterable[str]) -> str | None:
    listed = sorted(keys)
    return f"valid keys: {', '.join(listed)}" if 0 < len(listed) <= 12 else None


def _misplaced(path: Path, model: type[Parameters], document: Any) -> str | None:
    """A parameter that is indented like its operator instead of being nested under it."""
    block, value = model_at(path, model), value_at(path, document)
    if block is None or not issubclass(block, Choice) or not isinstance(value, Mapping):
        return None
    known = [key for key in value if key in block.alternatives]
    strays = [key for key in value if key not in block.alternatives]
    if len(known) == 1 and strays and set(strays) <= set(keys_of(block.alternatives[known[0]])):
        return f"indent `{strays[0]}` to nest it under `{known[0]}:`"
    return None


def _rewrite(kind: str, value: Any) -> str | None:
    if kind == "string_type" and isinstance(value, bool | int | float):
        if isinstance(value, bool):
            words, word = ("`true`, `yes` and `on`", "yes") if value else ("`false`, `no` and `off`", "no")
            return f'put the word in quotes, such as "{word}": YAML reads {words} as {str(value).lower()}'
        return f'quote it: "{value}"'
    if kind in ("tuple_type", "list_type") and isinstance(value, str):
        return f"write it as a list: [{value}]"
    return None


_MESSAGES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string_type": lambda c: "must be a string",
    "int_type": lambda c: "must be an integer",
    "int_from_float": lambda c: "must be an integer",
    "float_type": lambda c: "must be a number",
    "finite_number": lambda c: "must be a finite number",
    "bool_type": lambda c: "must be true or false",
    "model_type": lambda c: "must be a mapping",
    "dict_type": lambda c: "must be a mapping",
    "tuple_type": lambda c: "must be a list",
    "list_type": lambda c: "must be a list",
    "greater_than": lambda c: f"must be greater than {c['gt']}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']}",
    "less_than": lambda c: f"must be less than {c['lt']}",
    "less_than_equal": lambda c: f"must be at most {c['le']}",
    "string_too_short": lambda c: f"must have at least {_characters(c['min_length'])}",
    "string_too_long": lambda c: f"must have at most {_characters(c['max_length'])}",
    "string_pattern_mismatch": lambda c: f"must match the pattern {c['pattern']}",
    "too_short": lambda c: f"must have at least {_entries(c['min_length'])}",
    "too_long": lambda c: f"must have at most {_entries(c['max_length'])}",
}
"""Messages by pydantic's error types. The invalid value is appended."""


def _characters(count: int) -> str:
    return f"{count} character" + "s" * (count != 1)


def _entries(count: int) -> str:
    return f"{count} " + ("entry" if count == 1 else "entries")
