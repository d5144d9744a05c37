"""kopf's part: watch, remember, enqueue. No handler decides anything, and none makes kopf write to an object."""

import os
from collections.abc import Callable, Collection
from typing import Any

import kopf

from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.manifests import SELECTOR
from datajob_controller.runtime.resources import Resource
from datajob_controller.runtime.settings import Settings
from datajob_controller.runtime.store import Key, Store
from datajob_controller.runtime.workqueue import WorkQueue


async def watch(
    kinds: Collection[Kind],
    served: Collection[str],
    namespaces: Collection[str],
    store: Store,
    queue: WorkQueue[Key],
    settings: Settings,
    listed: Callable[[], None],
    **flags: Any,
) -> None:
    """Run kopf for those kinds and owned kinds that the API server serves, in some namespaces or in the whole cluster.

    `listed` is called for each object that is listed, as opposed to watched; `flags` are kopf's `stop_flag` and `ready_flag`.
    """
    # kopf names itself after this variable; otherwise it looks up the name of the user, which a container may not have.
    os.environ.setdefault("POD_ID", settings.pod_name)
    await kopf.operator(
        registry=registry(kinds, served, store, queue, listed),
        settings=operator_settings(kinds),
        clusterwide=not namespaces,
        namespaces=namespaces,
        standalone=True,
        **flags,
    )


def registry(
    kinds: Collection[Kind], served: Collection[str], store: Store, queue: WorkQueue[Key], listed: Callable[[], None]
) -> kopf.OperatorRegistry:
    """One handler for each watched resource."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**arguments: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(**arguments)

    async def changed(event: Any, **_: Any) -> None:
        if event["type"] is None:
            listed()
        for key in store.changed(dict(event["object"]), deleted=event["type"] == "DELETED"):
            queue.add(key)

    for resource in {resource for kind in kinds for resource in kind.resources}:
        if resource.kind in served:
            name = resource.kind.lower()
            kopf.on.event(resource.group, resource.version, resource.plural, id=name, registry=made)(changed)
    return made


def operator_settings(kinds: Collection[Kind]) -> kopf.OperatorSettings:
    """kopf's settings: no peering, no scanning, no Events, and watches that end before they go silent."""
    made = kopf.OperatorSettings()
    made.peering.standalone = True
    made.scanning.disabled = True
    made.posting.enabled = False
    made.process.ultimate_exiting_timeout = None  # kopf is restarted in the same process
    made.watching.server_timeout = 300
    made.watching.client_timeout = 330
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 30
    primary = {kind.name for kind in kinds}
    for resource in _owned(kinds).values():
        if resource.kind not in primary:
            made.watching.label_selectors[(resource.group, resource.version, resource.plural)] = SELECTOR
    return made


def _owned(kinds: Collection[Kind]) -> dict[str, Resource]:
    return {owned.resource.kind: owned.resource for kind in kinds for owned in kind.owned}
