"""What every object that the controller makes has in common: owner, labels, and the reading of timestamps.

Objects are plain dicts, as in YAML; nothing here talks to a cluster.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from datajob.api import API_GROUP, API_VERSION
from datajob.api.contract import CONTROLLER, LABEL_MANAGED_BY, LABEL_NAME, LABEL_UID

Manifest = dict[str, Any]

SELECTOR = f"{LABEL_MANAGED_BY}={CONTROLLER}"
"""Label selector of everything the controller makes, pods of its jobs included."""

MAX_LABEL = 63


def labels(datajob: Manifest) -> dict[str, str]:
    """The labels of every object of a DataJob."""
    meta = datajob["metadata"]
    return {
        LABEL_MANAGED_BY: CONTROLLER,
        LABEL_NAME: str(meta["name"])[:MAX_LABEL].rstrip("-."),
        LABEL_UID: meta["uid"],
    }


def metadata(datajob: Manifest, name: str, extra_labels: Mapping[str, str] | None = None) -> Manifest:
    """The metadata of an object that belongs to a DataJob and is collected with it."""
    meta = datajob["metadata"]
    return {
        "name": name,
        "namespace": meta["namespace"],
        "labels": {**labels(datajob), **(extra_labels or {})},
        "ownerReferences": [
            {
                "apiVersion": f"{API_GROUP}/{API_VERSION}",
                "kind": "DataJob",
                "name": meta["name"],
                "uid": meta["uid"],
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


def belongs_to(manifest: Mapping[str, Any], uid: str) -> bool:
    """Whether the DataJob with that UID is the controlling owner of an object."""
    owners = manifest.get("metadata", {}).get("ownerReferences", ())
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)


def rfc3339(moment: datetime) -> str:
    """A moment as Kubernetes writes it, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """The moment that Kubernetes wrote, or None."""
    return datetime.fromisoformat(text) if text else None
