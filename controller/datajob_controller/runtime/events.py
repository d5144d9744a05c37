"""Kubernetes Events about served objects, as manifests."""

from datetime import datetime

from datajob.api.contract import CONTROLLER
from datajob_controller.runtime.manifests import Manifest, rfc3339
from datajob_controller.runtime.types import Event


def event_manifest(about: Manifest, event: Event, now: datetime, instance: str) -> Manifest:
    """The Event object; `instance` is the name of this replica."""
    meta = about["metadata"]
    identity = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{meta['name'][:200]}.", "namespace": meta["namespace"]},
        "involvedObject": {"apiVersion": about["apiVersion"], "kind": about["kind"], **identity},
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "source": {"component": CONTROLLER},
        "reportingComponent": CONTROLLER,
        "reportingInstance": instance,
        "firstTimestamp": rfc3339(now),
        "lastTimestamp": rfc3339(now),
        "count": 1,
    }
