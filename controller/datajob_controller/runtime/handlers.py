"""kopf's part: watch, remember, put into the queue. No handler decides anything, and none makes kopf write to an object."""

from collections.abc import Collection
from typing import Any

import kopf

from datajob.api import API_GROUP, API_VERSION
from datajob_controller.runtime.manifests import SELECTOR, Manifest
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.workqueue import WorkQueue

DATAJOBS = (API_GROUP, API_VERSION, "datajobs")
OWNED = {"RayJob": ("ray.io", "v1", "rayjobs"), "ConfigMap": ("", "v1", "configmaps"), "Pod": ("", "v1", "pods")}


def registry(store: Store, queue: WorkQueue[Key], kinds: Collection[str]) -> kopf.OperatorRegistry:
    """Handlers for DataJobs and those kinds of what belongs to them that the API server serves."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    @kopf.on.event(*DATAJOBS, registry=made)
    async def datajob(event: Any, **_: Any) -> None:
        body: Manifest = dict(event["object"])
        if event["type"] == "DELETED":
            store.drop_datajob(body)
        else:
            queue.add(store.put_datajob(body))

    async def owned(event: Any, **_: Any) -> None:
        body: Manifest = dict(event["object"])
        key = store.drop(body) if event["type"] == "DELETED" else store.put(body)
        if key:
            queue.add(key)

    for kind in kinds:
        kopf.on.event(*OWNED[kind], id=kind.lower(), registry=made)(owned)
    return made


def operator_settings(settings: Settings) -> kopf.OperatorSettings:
    """kopf's settings: no peering, no scanning, no Events of its own, watches that end before they go silent."""
    made = kopf.OperatorSettings()
    made.peering.standalone = True
    made.scanning.disabled = True
    made.posting.enabled = False
    made.watching.server_timeout = 300
    made.watching.client_timeout = 330
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 30
    for resource in OWNED.values():
        made.watching.label_selectors[resource] = SELECTOR
    return made
