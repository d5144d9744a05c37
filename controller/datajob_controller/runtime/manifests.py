"""What all objects that the controller creates have in common: owner, labels, and timestamps.

Objects are plain dicts, as in YAML. Nothing here accesses a cluster.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from datajob.api.contract import CONTROLLER, LABEL_MANAGED_BY, LABEL_NAME, LABEL_UID

Manifest = dict[str, Any]

SELECTOR = f"{LABEL_MANAGED_BY}={CONTROLLER}"
"""Label selector of everything that the controller creates, including the pods of jobs."""

MAX_LABEL = 63


def labels(owner: Manifest) -> dict[str, str]:
    """The labels of every object that belongs to `owner`."""
    meta = owner["metadata"]
    return {
        LABEL_MANAGED_BY: CONTROLLER,
        LABEL_NAME: str(meta["name"])[:MAX_LABEL].rstrip("-."),
        LABEL_UID: meta["uid"],
    }


def metadata(owner: Manifest, name: str, extra_labels: Mapping[str, str] | None = None) -> Manifest:
    """The metadata of an object that `owner` controls and that is garbage-collected with it."""
    meta = owner["metadata"]
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": {**labels(owner), **(extra_labels or {})},
        "ownerReferences": [
            {
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def belongs_to(manifest: Mapping[str, Any], uid: str) -> bool:
    """Whether the object with that UID is the controlling owner of `manifest`."""
    owners = manifest.get("metadata", {}).get("ownerReferences", ())
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


def owner_uid(manifest: Manifest) -> str | None:
    """The UID of the owner, from the label."""
    uid: str | None = (manifest["metadata"].get("labels") or {}).get(LABEL_UID)
    return uid


def rfc3339(moment: datetime) -> str:
    """A time in the format of Kubernetes, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str | None) -> datetime | None:
    """The time that a Kubernetes timestamp states, or None."""
    return datetime.fromisoformat(text) if text else None
