"""What to change in living objects for an edit of a service: patches, so that requests are not interrupted."""

from collections.abc import Iterator
from typing import Any

from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.modelservice.names import CONFIG, HARDWARE, LIVE, REVISION
from datajob_controller.modelservice.objects.access import http_route, selector
from datajob_controller.modelservice.objects.rayservice import digests, group_size, ray_service
from datajob_controller.modelservice.objects.serveconfig import with_deployment
from datajob_controller.modelservice.policy.replicas import of_cluster, running_workers
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.modelservice.specs import CheckedSpec
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Observed, Patch
from datajob_controller.shared.digests import digest


def needs_restart(found: Manifest, checked: CheckedSpec) -> bool:
    """Whether the pods must be replaced, and the service may not have twice the hardware meanwhile."""
    assert checked.spec
    before = found["digests"].get(HARDWARE)
    return checked.spec.update == "replace" and before is not None and before != checked.hardware


def ray_service_patch(found: Manifest, service: Manifest, checked: CheckedSpec, settings: ServiceSettings) -> Patch | None:
    """The change of the RayService that an edit requires, or that undoes an edit of the RayService itself."""
    spec, wanted = checked.spec, digests(checked)
    assert spec
    if found["digests"] == wanted and not found["edited"] and tuple(found["size"]) == group_size(spec):
        return None
    made = ray_service(service, checked, spec, settings)["spec"]
    if found["digests"].get(HARDWARE) != wanted[HARDWARE] or _starts_new_cluster(found, checked):
        config, operations = made["serveConfigV2"], [_replaced("/spec", made)]
    else:
        same_model = found["digests"].get(REVISION) == wanted[REVISION] and not found["edited"]
        config = with_deployment(found["spec"]["serveConfigV2"], spec) if same_model else made["serveConfigV2"]
        operations = [
            _replaced("/spec/serveConfigV2", config),
            _replaced("/spec/excludeHeadPodFromServeSvc", made["excludeHeadPodFromServeSvc"]),
            *_sizes("/spec/rayClusterConfig/workerGroupSpecs/0", group_size(spec)),
        ]
    if not found["digests"]:  # all annotations may have been removed
        operations.append(_replaced("/metadata/annotations", {}))
    annotations = {**wanted, CONFIG: digest(config)}
    names = ((name.replace("/", "~1"), value) for name, value in annotations.items())
    operations += [_replaced(f"/metadata/annotations/{name}", value) for name, value in names]
    return Patch("RayService", service["metadata"]["name"], operations)


def _starts_new_cluster(found: Manifest, checked: CheckedSpec) -> bool:
    assert checked.spec
    return checked.spec.update == "newCluster" and found["digests"].get(REVISION) != checked.revision


def ray_cluster_patches(observed: Observed, spec: ModelServiceSpec) -> Iterator[Patch]:
    """The numbers of workers in living Ray clusters: KubeRay does not pass on their edits.

    Ray's autoscaler stops workers above the maximum at once, also those that answer requests. So the maximum is reduced only
    after the workers that Ray Serve does not need are gone.
    """
    least, most = group_size(spec)
    pods = list(observed.of("Pod").values())
    for name, cluster in observed.of("RayCluster").items():
        groups = cluster.get("spec", {}).get("workerGroupSpecs") or ()
        if cluster["metadata"].get("deletionTimestamp") or not groups:
            continue
        before = _size(groups[0])
        size = least, max(most, min(running_workers(of_cluster(pods, name)), before[1]))
        if before != size:
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


def _size(group: Manifest) -> tuple[int, int]:
    """The minimum and maximum number of workers of a group."""
    return group.get("minReplicas", 0), group.get("maxReplicas", 0)


def _sizes(path: str, size: tuple[int, int]) -> Iterator[Manifest]:
    for field, value in (("minReplicas", size[0]), ("maxReplicas", size[1])):
        yield {"op": "add", "path": f"{path}/{field}", "value": value}


def _replaced(path: str, value: Any) -> Manifest:
    return {"op": "add", "path": path, "value": value}


def keep_of_ray_service(manifest: Manifest) -> Manifest:
    """What is kept of a RayService in memory: its digests, and whether someone else has edited what they describe."""
    spec, annotations = manifest.get("spec", {}), manifest["metadata"].get("annotations") or {}
    config = spec.get("serveConfigV2", "")
    status = manifest.get("status") or {}
    kept = ("observedGeneration", "conditions")
    clusters = {key: _without_cluster(status[key]) for key in ("activeServiceStatus", "pendingServiceStatus") if key in status}
    return {
        "digests": {name: annotations[name] for name in (REVISION, HARDWARE, LIVE) if name in annotations},
        "edited": annotations.get(CONFIG, digest(config)) != digest(config),
        "size": _size((spec.get("rayClusterConfig", {}).get("workerGroupSpecs") or [{}])[0]),
        "spec": {"serveConfigV2": config},
        "status": {**{key: status[key] for key in kept if key in status}, **clusters},
    }


def _without_cluster(status: Manifest) -> Manifest:
    """The status of a service without that of its Ray cluster, which is watched itself."""
    return {key: value for key, value in status.items() if key != "rayClusterStatus"}
