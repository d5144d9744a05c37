"""What to change in living objects for an edit of a service: patches, so that requests are not interrupted."""

from collections.abc import Iterator
from typing import Any

from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.modelservice.names import HARDWARE, LIVE, REVISION
from datajob_controller.modelservice.objects.access import http_route, selector
from datajob_controller.modelservice.objects.rayservice import digests, group_size, ray_service
from datajob_controller.modelservice.objects.serveconfig import with_deployment
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.modelservice.specs import CheckedSpec
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Observed, Patch


def needs_restart(found: Manifest, checked: CheckedSpec) -> bool:
    """Whether the pods must be replaced, and the service may not have twice the hardware meanwhile."""
    assert checked.spec
    return checked.spec.update == "replace" and found["digests"].get(HARDWARE) != checked.hardware


def ray_service_patch(found: Manifest, service: Manifest, checked: CheckedSpec, settings: ServiceSettings) -> Patch | None:
    """The change of the RayService that an edit requires."""
    spec, wanted = checked.spec, digests(checked)
    assert spec
    if found["digests"] == wanted:
        return None
    if found["digests"].get(HARDWARE) != wanted[HARDWARE] or _starts_new_cluster(found, checked):
        operations = [_replaced("/spec", ray_service(service, checked, spec, settings)["spec"])]
    else:
        same_model = found["digests"].get(REVISION) == wanted[REVISION]
        made = ray_service(service, checked, spec, settings)["spec"]
        config = with_deployment(found["spec"]["serveConfigV2"], spec) if same_model else made["serveConfigV2"]
        operations = [
            _replaced("/spec/serveConfigV2", config),
            _replaced("/spec/excludeHeadPodFromServeSvc", made["excludeHeadPodFromServeSvc"]),
            *_sizes("/spec/rayClusterConfig/workerGroupSpecs/0", group_size(spec)),
        ]
    names = ((name.replace("/", "~1"), value) for name, value in wanted.items())
    operations += [{"op": "add", "path": f"/metadata/annotations/{name}", "value": value} for name, value in names]
    return Patch("RayService", service["metadata"]["name"], operations)


def _starts_new_cluster(found: Manifest, checked: CheckedSpec) -> bool:
    assert checked.spec
    return checked.spec.update == "newCluster" and found["digests"].get(REVISION) != checked.revision


def ray_cluster_patches(observed: Observed, spec: ModelServiceSpec) -> Iterator[Patch]:
    """The numbers of workers in living Ray clusters: KubeRay does not pass on their edits."""
    size = group_size(spec)
    for name, cluster in observed.of("RayCluster").items():
        groups = cluster.get("spec", {}).get("workerGroupSpecs") or ()
        if cluster["metadata"].get("deletionTimestamp") or not groups:
            continue
        if (groups[0].get("minReplicas", 0), groups[0].get("maxReplicas", 0)) != size:
            yield Patch("RayCluster", name, list(_sizes("/spec/workerGroupSpecs/0", size)))


def access_patches(observed: Observed, service: Manifest, spec: ModelServiceSpec | None, cluster: str) -> Iterator[Patch]:
    """The Ray cluster that receives requests, and the edited HTTPRoute."""
    name = service["metadata"]["name"]
    found = observed.of("Service").get(name)
    if found and cluster and found.get("selector") != selector(cluster):
        yield Patch("Service", name, [_replaced("/spec/selector", selector(cluster))])
    route, wanted = observed.of("HTTPRoute").get(name), http_route(service, spec) if spec else None
    if route and wanted and not _includes(route.get("spec"), wanted["spec"]):
        yield Patch("HTTPRoute", name, [_replaced("/spec", wanted["spec"])])


def _includes(found: Any, wanted: Any) -> bool:
    """Whether a value has the wanted parts; the API server adds defaults."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _includes(found[key], part) for key, part in wanted.items())
    if isinstance(wanted, list):
        same = isinstance(found, list) and len(found) == len(wanted)
        return same and all(_includes(one, part) for one, part in zip(found, wanted, strict=True))
    return bool(found == wanted)


def _sizes(path: str, size: tuple[int, int]) -> Iterator[Manifest]:
    for field, value in (("minReplicas", size[0]), ("maxReplicas", size[1])):
        yield {"op": "add", "path": f"{path}/{field}", "value": value}


def _replaced(path: str, value: Any) -> Manifest:
    return {"op": "add", "path": path, "value": value}


def kept_digests(manifest: Manifest) -> dict[str, str]:
    """The digests of a RayService as it is kept in memory."""
    annotations = manifest["metadata"].get("annotations") or {}
    return {name: annotations[name] for name in (REVISION, HARDWARE, LIVE) if name in annotations}
