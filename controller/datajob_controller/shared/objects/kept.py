"""What to keep of pods in memory."""

from datajob_controller.runtime.manifests import Manifest

_POD_STATUS = ("phase", "conditions", "startTime", "containerStatuses", "initContainerStatuses", "message", "reason")


def keep_of_pod(manifest: Manifest) -> Manifest:
    """The parts of a pod, apart from its metadata, that decisions need."""
    spec, status = manifest.get("spec", {}), manifest.get("status", {})
    containers = [{"name": c["name"], "resources": c.get("resources", {})} for c in spec.get("containers", ())]
    return {
        "spec": {"containers": containers, **{key: spec[key] for key in ("nodeSelector", "nodeName") if key in spec}},
        "status": {key: value for key, value in status.items() if key in _POD_STATUS},
    }
