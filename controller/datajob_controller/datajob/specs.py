"""Parses, checks and compares specs. All functions are pure.

A release may have other defaults and other checks than the one that started a run. The identity of a run must not depend on
either: it is recorded in the status as digests of the spec as stored, and only an edit of the spec can change it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from datajob.api.checks import check
from datajob.api.lifecycle import lifecycle_fields
from datajob.api.loading import parse_object
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import RESULT_FIELDS, run_id, run_name
from datajob_controller.runtime.manifests import Manifest

_LENGTH = 16
_FIELD_LENGTH = 8
_MAX_LISTED = 5
_BLOCKS = ("resources", "runtime")
_LIFECYCLE = frozenset(str(DataJobSpec.model_fields[name].alias) for name in lifecycle_fields(DataJobSpec))
_SMALLEST: Manifest = {"sources": [{"parquet": {"paths": ["/"]}}], "sink": {"parquet": {"path": "/"}}}


@dataclass(frozen=True)
class CheckedSpec:
    """The result of parsing and checking one generation of a spec, which takes much longer than the rest of a decision."""

    spec: DataJobSpec | None
    """None if the spec does not match the schema."""
    problems: tuple[str, ...] = ()
    """Why the spec cannot run."""
    name: str = ""
    """The name of its run."""
    id: str = ""
    """The identity of its run."""


def check_spec(datajob: Manifest) -> CheckedSpec:
    """Parse and check the spec of a DataJob."""
    job, problems = parse_object({key: value for key, value in datajob.items() if key != "status"})
    if job is not None:
        problems = check(job, on_cluster=True)
    errors = tuple(str(problem) for problem in problems if not problem.warning)
    if job is None:
        return CheckedSpec(None, errors)
    meta = datajob["metadata"]
    return CheckedSpec(job.spec, errors, run_name(meta["name"], meta["uid"], job.spec), run_id(meta["uid"], job.spec))


def lifecycle_only(datajob: Manifest) -> DataJobSpec:
    """A spec with those lifecycle fields of a DataJob that are valid, for runs whose spec cannot or need not be parsed.

    Its sources and its sink are placeholders.
    """
    fields = {key: value for key, value in datajob["spec"].items() if key in _LIFECYCLE or key == "queueName"}
    try:
        return DataJobSpec.model_validate({**_SMALLEST, **fields})
    except ValidationError:
        valid = {key: value for key, value in fields.items() if _is_valid(key, value)}
        return DataJobSpec.model_validate({**_SMALLEST, **valid})


def _is_valid(key: str, value: Any) -> bool:
    try:
        DataJobSpec.model_validate({**_SMALLEST, key: value})
    except ValidationError:
        return False
    return True


def digests(spec: Mapping[str, Any]) -> Manifest:
    """Digests of a spec as stored: of everything that shapes a run (`run`), of what determines its result (`result`), and of
    each of its parts (`fields`), which name what an edit changed.

    The order of keys and the notation of numbers do not matter.
    """
    shaping = {key: value for key, value in spec.items() if key not in _LIFECYCLE}
    result = {key: spec[key] for key in RESULT_FIELDS if key in spec}
    image = (spec.get("runtime") or {}).get("image")
    fields = {name: _digest(part)[:_FIELD_LENGTH] for name, part in _parts(shaping)}
    return {"run": _digest(shaping), "result": _digest([result, image]), "fields": fields}


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The fields of a spec that differ between two sets of digests, for a message."""
    paths = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    if not before or not paths:
        return "the spec"
    lists = [name.partition("[")[0] for name in paths]
    # After an insertion, all later entries differ.
    names = dict.fromkeys(name if lists.count(whole) == 1 else whole for name, whole in zip(paths, lists, strict=True))
    listed = [f"spec.{name}" for name in names]
    return ", ".join([*listed[:_MAX_LISTED], *(["other fields"] if len(listed) > _MAX_LISTED else [])])


def _parts(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The parts of a spec that a message names: entries of lists and fields of blocks."""
    for name, value in spec.items():
        if isinstance(value, list):
            yield from ((f"{name}[{index}]", part) for index, part in enumerate(value))
        elif isinstance(value, dict) and name in _BLOCKS:
            yield from ((f"{name}.{key}", part) for key, part in value.items())
        else:
            yield name, value


def _digest(value: Any) -> str:
    canonical = json.dumps(_canonical(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_LENGTH]


def _canonical(value: Any) -> Any:
    """`value` with 1.0 written as 1."""
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
