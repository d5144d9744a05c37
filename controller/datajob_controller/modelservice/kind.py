"""ModelService as a `Kind`: what it owns, and what to keep of each object in memory."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from datajob.api import API_GROUP, API_VERSION
from datajob.api.service import KIND
from datajob.api.service.crd import PLURAL
from datajob_controller.modelservice.changes import keep_of_ray_service
from datajob_controller.modelservice.decide import decide
from datajob_controller.modelservice.metrics import ServiceMetrics
from datajob_controller.modelservice.names import is_cluster_of
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.runtime.kind import Kind, OwnedKind, keep_spec_and_status
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.resources import POD, SERVICE, Resource
from datajob_controller.runtime.types import Observed, Reference
from datajob_controller.shared.objects.kept import keep_of_pod
from datajob_controller.shared.policy.waiting import in_creation

MODELSERVICE = Resource(KIND, API_GROUP, API_VERSION, PLURAL)
RAYSERVICE = Resource("RayService", "ray.io", "v1", "rayservices")
RAYCLUSTER = Resource("RayCluster", "ray.io", "v1", "rayclusters")
HTTPROUTE = Resource("HTTPRoute", "gateway.networking.k8s.io", "v1", "httproutes", optional=True)
MAX_INQUIRIES = 3
"""Number of pods whose Events are read for one decision."""


def service_kind(settings: ServiceSettings) -> Kind:
    """The kind, with the settings of the administrator."""
    return Kind(
        resource=MODELSERVICE,
        decide=partial(decide, settings=settings),
        owned=(
            OwnedKind(RAYSERVICE, keep=keep_of_ray_service),
            OwnedKind(RAYCLUSTER, keep=_keep_of_ray_cluster, belongs=_is_its_cluster),
            OwnedKind(SERVICE, keep=lambda manifest: {"selector": manifest.get("spec", {}).get("selector")}),
            OwnedKind(HTTPROUTE, keep=keep_spec_and_status),
            OwnedKind(POD, keep=keep_of_pod, belongs=_is_its_pod),
        ),
        inquire=pods_to_inquire,
        verify=objects_to_verify,
        metrics=ServiceMetrics,
    )


def objects_to_verify(service: Manifest, observed: Observed) -> Sequence[Reference]:
    """The RayService, if memory has lost it: it would be created again."""
    name = (service.get("status") or {}).get("rayServiceName")
    if not name or name in observed.of("RayService") or "RayService" in observed.unserved:
        return ()
    return [Reference("RayService", name)]


def pods_to_inquire(_: Manifest, observed: Observed, now: datetime) -> Sequence[Reference]:
    """Pods whose containers are not created for a while. Only their Events state the reason, for example a missing Secret."""
    creating = in_creation(pod for pod in observed.of("Pod").values() if not pod["metadata"].get("deletionTimestamp"))
    return [Reference("Pod", pod["metadata"]["name"]) for pod, suspicious in creating if now >= suspicious][:MAX_INQUIRIES]


def _is_its_cluster(service: Manifest, cluster: Manifest) -> bool:
    """A RayCluster belongs to the RayService, which has the name of the ModelService."""
    name = service["metadata"]["name"]
    owners = cluster["metadata"].get("ownerReferences", ())
    owned = any(one.get("controller") and (one.get("kind"), one.get("name")) == ("RayService", name) for one in owners)
    return owned and is_cluster_of(name, cluster["metadata"]["name"])


def _is_its_pod(service: Manifest, pod: Manifest) -> bool:
    """A pod belongs to a RayCluster, which KubeRay names like the RayService that owns it."""
    meta = pod["metadata"]
    owners = (one for one in meta.get("ownerReferences", ()) if one.get("controller") and one.get("kind") == "RayCluster")
    cluster = next((str(one["name"]) for one in owners), "")
    labelled = meta["labels"].get("ray.io/cluster") == cluster
    return labelled and is_cluster_of(service["metadata"]["name"], cluster)


def _keep_of_ray_cluster(manifest: Manifest) -> Manifest:
    groups = manifest.get("spec", {}).get("workerGroupSpecs") or ()
    fields = ("groupName", "minReplicas", "maxReplicas")
    return {
        "spec": {"workerGroupSpecs": [{key: group[key] for key in fields if key in group} for group in groups]},
        "status": {"conditions": (manifest.get("status") or {}).get("conditions") or []},
    }
