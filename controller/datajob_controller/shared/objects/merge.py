"""Merges pod templates like a strategic merge patch of Kubernetes."""

from typing import Any

from datajob.api.pod_fields import ADDED, MERGE_KEYS, REPLACED, RETAINED
from datajob.api.pod_template import DELETE
from datajob_controller.runtime.manifests import Manifest


def merged(*templates: Manifest) -> Manifest:
    """The templates merged in order: later ones take precedence. None of them is modified."""
    result: Manifest = {}
    for template in templates:
        result = _mapping(result, template)
    return result


def _mapping(base: Manifest, patch: Manifest) -> Manifest:
    return {**base, **{field: _value(field, base.get(field), value) for field, value in patch.items()}}


def _value(field: str, base: Any, patch: Any) -> Any:
    if isinstance(patch, dict):
        return _mapping(base if isinstance(base, dict) else {}, patch)
    if isinstance(patch, list):
        before = base if isinstance(base, list) else []
        if field in ADDED:
            return [*before, *(entry for entry in patch if entry not in before)]
        if field in MERGE_KEYS:
            return _entries(field, before, patch)
    return patch


def _entries(field: str, base: list[Manifest], patch: list[Manifest]) -> list[Manifest]:
    key = MERGE_KEYS[field]
    found = {entry[key]: entry for entry in base}
    for entry in patch:
        if DELETE.items() <= entry.items():
            found.pop(entry[key], None)
        else:
            found[entry[key]] = _entry(field, found.get(entry[key], {}), entry)
    return list(found.values())


def _entry(field: str, base: Manifest, patch: Manifest) -> Manifest:
    if field in REPLACED:
        return patch
    both = _mapping(base, patch)
    return {name: both[name] for name in patch} if field in RETAINED else both
