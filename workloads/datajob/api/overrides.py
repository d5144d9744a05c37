"""`--set spec.sink.parquet.path=/tmp/out`: values that replace those of a document, or add to them."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from datajob.api.problems import Path, dotted
from datajob.api.yamltext import scalar_or_block
from datajob.errors import InvalidJob

_PART = re.compile(r"(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_PATH = re.compile(r"[^.\[\]=]+(\.[^.\[\]=]+|\[\d+\])*")


@dataclass(frozen=True)
class Override:
    """A value and the path that it is set at."""

    path: Path
    value: Any


def parse_override(text: str) -> Override:
    """`spec.steps[0].filter.where=n > 3` -> path and value (read as YAML). Raises InvalidJob."""
    name, equals, value = text.partition("=")
    if not equals or not _PATH.fullmatch(name.strip()):
        raise InvalidJob(f"--set {text}: expected path=value, such as spec.steps[0].limit.count=100")
    try:
        return Override(parse_path(name), scalar_or_block(value))
    except yaml.YAMLError as error:
        raise InvalidJob(
            f"--set {text}: the value is not valid YAML ({error}); quote strings with special characters"
        ) from error


def parse_path(text: str) -> Path:
    """`spec.steps[0].filter` -> its keys and indexes. Raises InvalidJob."""
    if not _PATH.fullmatch(text.strip()):
        raise InvalidJob(f"{text} is not a path such as spec.steps[0].limit.count")
    return tuple(int(m["index"]) if m["index"] else m["key"] for m in _PART.finditer(text.strip()))


def apply(override: Override, document: Any) -> Any:
    """A copy of `document` with the value set. Missing mappings along the path are created. Raises InvalidJob."""
    return _set(document, override.path, override.value, ())


def _set(here: Any, path: Path, value: Any, done: Path) -> Any:
    if not path:
        return value
    part, rest = path[0], path[1:]
    if isinstance(part, str):
        if here is not None and not isinstance(here, dict):
            raise InvalidJob(f"--set {dotted((*done, *path))}: {dotted(done)} is not a mapping")
        block = here or {}
        return block | {part: _set(block.get(part), rest, value, (*done, part))}
    entries = here if isinstance(here, list) else []
    if (here is not None and not isinstance(here, list)) or part > len(entries):
        raise InvalidJob(f"--set {dotted((*done, *path))}: {dotted(done)} has {len(entries)} entries (the first has index 0)")
    changed = _set(entries[part] if part < len(entries) else None, rest, value, (*done, part))
    return [*entries[:part], changed, *entries[part + 1 :]]
