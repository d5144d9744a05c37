"""Which Ray cluster receives requests."""

from datajob_controller.modelservice.objects.access import CLUSTER
from datajob_controller.modelservice.policy.application import active, pending
from datajob_controller.modelservice.policy.replicas import of_cluster, serving
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Observed


def receiver(ray_service: Manifest, observed: Observed) -> str:
    """The active cluster, or the pending one if none is active. After a switch, the previous one while only it has ready pods.

    KubeRay switches when the application runs in the new cluster, which is some seconds before a pod of it is ready.
    """
    chosen = active(ray_service).cluster or pending(ray_service).cluster
    service = observed.of("Service").get(ray_service["metadata"]["name"]) or {}
    previous = str((service.get("selector") or {}).get(CLUSTER, ""))
    pods = list(observed.of("Pod").values())
    only_previous = serving(of_cluster(pods, previous)) and not serving(of_cluster(pods, chosen))
    return previous if only_previous else chosen
