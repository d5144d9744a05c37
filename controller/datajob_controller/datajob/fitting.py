"""Keeps the status of a DataJob within the size that the API server accepts."""

import json

from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.text import MAX_NAME, shortened

MAX_STATUS = 256 * 1024
"""Maximum size of a status, in bytes of JSON. The API server refuses objects of 1.5 MB."""


def fitted(status: Manifest) -> Manifest:
    """A status within `MAX_STATUS`: the least important parts are left out first."""
    smaller = dict(status)
    for reduce in (_without_reasons, _without_steps, _without_messages):
        if _size(smaller) <= MAX_STATUS:
            break
        smaller = reduce(smaller)
    return smaller


def _without_reasons(status: Manifest) -> Manifest:
    steps = ({key: value for key, value in step.items() if key != "removedItems"} for step in status.get("steps", ()))
    return {**status, "steps": [{**step, "rejected": {}} for step in steps]}


def _without_steps(status: Manifest) -> Manifest:
    return {key: value for key, value in status.items() if key != "steps"}


def _without_messages(status: Manifest) -> Manifest:
    """Shorten the messages of all attempts but the last one."""
    *earlier, last = status.get("attempts") or [{}]
    short = [{**attempt, "message": shortened(attempt.get("message", ""), MAX_NAME)} for attempt in earlier]
    return {**status, "attempts": [*short, last]} if last else status


def _size(status: Manifest) -> int:
    return len(json.dumps(status, ensure_ascii=False).encode(errors="replace"))
