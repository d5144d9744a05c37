"""Parses, checks and compares specs. All functions are pure.

A release may have other defaults and other checks than the one that started a run. The identity of a run must not depend on
either: it is recorded in the status as digests of the spec as stored, and only an edit of the spec can change it.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from pydantic import ValidationError

from datajob.api.checks import check
from datajob.api.lifecycle import lifecycle_fields
from datajob.api.loading import parse_object
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import RESULT_FIELDS, run_id, run_name
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.digests import MAX_DEPTH, digest, is_deeper_than
from datajob_controller.shared.text import shortened

MAX_PROBLEM = 1000
"""Maximum length of the description of a problem, in characters: messages can quote large parts of a spec."""
MAX_REMEMBERED = 5000
"""Number of specs whose result is remembered, a few kilobytes each."""
_FIELD_LENGTH = 8
_MAX_LISTED = 5
_BLOCKS = ("resources", "runtime")
_LIFECYCLE = frozenset(str(DataJobSpec.model_fields[name].alias) for name in lifecycle_fields(DataJobSpec))
_SMALLEST: Manifest = {"sources": [{"parquet": {"paths": ["/"]}}], "sink": {"parquet": {"path": "/"}}}


@dataclass(frozen=True)
class CheckedSpec:
    """The result of parsing and checking one generation of a spec, which takes much longer than the rest of a decision."""

    spec: DataJobSpec | None
    """None if the spec does not match the schema. Has no sources and no steps, which the controller does not need any more; the
    variables with the Secrets of the steps are in `runtime.env`."""
    problems: tuple[str, ...] = ()
    """Why the spec cannot run."""
    digests: Mapping[str, Any] = field(default_factory=dict)
    """Digests of the spec as stored."""
    name: str = ""
    """The name of its run."""
    id: str = ""
    """The identity of its run."""


Check = Callable[[Manifest], CheckedSpec]


def check_spec(datajob: Manifest) -> CheckedSpec:
    """Parse and check the spec of a DataJob."""
    if is_deeper_than(MAX_DEPTH, datajob["spec"]):
        return CheckedSpec(
            None, (f"spec: is nested more than {MAX_DEPTH} levels deep",), {"run": "", "result": "", "fields": {}}
        )
    meta, stored = datajob["metadata"], digests(datajob["spec"])
    job, problems = parse_object({key: value for key, value in datajob.items() if key != "status"})
    if job is not None:
        problems = check(job, on_cluster=True)
    errors = tuple(shortened(str(problem), MAX_PROBLEM) for problem in problems if not problem.warning)
    if job is None:
        return CheckedSpec(None, errors, stored)
    name, identity = run_name(meta["name"], meta["uid"], job.spec), run_id(meta["uid"], job.spec)
    runtime = job.spec.runtime.model_copy(update={"env": (*job.spec.runtime.env, *job.spec.secret_variables())})
    spec = job.spec.model_copy(update={"sources": (), "steps": (), "runtime": runtime})
    return CheckedSpec(spec, errors, stored, name, identity)


class CheckedSpecs:
    """Checks each generation of a spec once. Can be used by several threads."""

    def __init__(self, check: Check = check_spec, limit: int = MAX_REMEMBERED) -> None:
        self._check = check
        self._limit = limit
        self._known: OrderedDict[tuple[str, int], CheckedSpec] = OrderedDict()
        self._lock = Lock()

    def __call__(self, datajob: Manifest) -> CheckedSpec:
        """The result for this generation."""
        if (found := self.known(datajob)) is not None:
            return found
        made = self._check(datajob)
        with self._lock:
            self._known[_version(datajob)] = made
            if len(self._known) > self._limit:
                self._known.popitem(last=False)
        return made

    def known(self, datajob: Manifest) -> CheckedSpec | None:
        """The result for this generation if it is remembered."""
        key = _version(datajob)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)


def _version(datajob: Manifest) -> tuple[str, int]:
    meta = datajob["metadata"]
    return meta["uid"], meta.get("generation", 1)


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
    fields = {name: digest(part)[:_FIELD_LENGTH] for name, part in _parts(shaping)}
    return {"run": digest(shaping), "result": digest([result, image]), "fields": fields}


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
