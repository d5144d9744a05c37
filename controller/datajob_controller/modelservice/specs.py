"""Parses and checks the specs of services, and distinguishes what an edit affects.

A release may have other defaults and checks than the one that started a service. An upgrade must not load a model again, so the
controller compares digests of the spec as stored, and only an edit changes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datajob.api.loading import parse_service
from datajob.api.service.checks import check_service
from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.digests import MAX_DEPTH, digest, is_deeper_than
from datajob_controller.shared.text import shortened

MAX_PROBLEM = 1000
_LIVE = ("replicas", "limits", "route", "update", "suspend")
"""Fields that apply without loading the model again; so do the limits of keys."""
_HARDWARE = ("resources", "runtime")
"""Fields that shape the pods."""


@dataclass(frozen=True)
class CheckedSpec:
    """A spec of a service as stored, and parsed."""

    stored: Manifest
    spec: ModelServiceSpec | None
    """None if it does not match the schema."""
    problems: tuple[str, ...] = ()
    """Why it cannot be served."""

    @property
    def revision(self) -> str:
        """Changes with everything that loads the model again."""
        return digest(loaded_part(self.stored))

    @property
    def hardware(self) -> str:
        """Changes with everything that shapes the pods."""
        return digest({key: self.stored[key] for key in _HARDWARE if key in self.stored} | _secret(self.stored))

    @property
    def live(self) -> str:
        """Changes with everything that applies without loading the model again."""
        return digest([{key: self.stored.get(key) for key in _LIVE if key != "suspend"}, _keys(self.stored)])


def check_spec(service: Manifest, stored: Manifest | None = None) -> CheckedSpec:
    """Parse and check the spec of a ModelService, or another one in its place."""
    spec = service["spec"] if stored is None else stored
    if is_deeper_than(MAX_DEPTH, spec):
        return CheckedSpec({}, None, (f"spec: is nested more than {MAX_DEPTH} levels deep",))
    value = {key: part for key, part in service.items() if key != "status"} | {"spec": spec}
    parsed, problems = parse_service(value)
    if parsed is not None:
        problems = check_service(parsed, on_cluster=True)
    errors = tuple(shortened(str(problem), MAX_PROBLEM) for problem in problems if not problem.warning)
    return CheckedSpec(spec, parsed.spec if parsed else None, errors)


def loaded_part(stored: Mapping[str, Any]) -> Manifest:
    """A spec without what applies while the model stays loaded."""
    part = {key: value for key, value in stored.items() if key not in _LIVE}
    if isinstance(part.get("auth"), dict):
        part["auth"] = {key: value for key, value in part["auth"].items() if key != "keys"}
    return part


def with_live_part(stored: Manifest, of: Manifest) -> Manifest:
    """An earlier spec with the replicas, limits and keys of the current one."""
    live = {key: of[key] for key in _LIVE if key in of}
    both = {**loaded_part(stored), **live}
    if _keys(of) is not None and "secretName" in both.get("auth", {}):
        both["auth"] = {**both["auth"], "keys": _keys(of)}
    return both


def _keys(stored: Mapping[str, Any]) -> Any:
    auth = stored.get("auth")
    return auth.get("keys") if isinstance(auth, dict) else None


def _secret(stored: Mapping[str, Any]) -> Manifest:
    """The Secret that is mounted into the pods."""
    auth = stored.get("auth")
    return {"secretName": auth["secretName"]} if isinstance(auth, dict) and "secretName" in auth else {}
