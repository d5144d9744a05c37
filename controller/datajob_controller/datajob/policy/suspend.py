"""Whether a queue has not admitted a RayJob yet. (`spec.suspend` suspends the whole DataJob.)"""

from datajob_controller.runtime.manifests import Manifest

_HELD = {"Suspending", "Suspended"}


def held_by_queue(ray_job: Manifest) -> bool:
    """Whether Kueue suspends the RayJob. It uses the RayJob's own `suspend`, which the controller never changes."""
    held = ray_job.get("status", {}).get("jobDeploymentStatus") in _HELD
    return bool(ray_job["spec"].get("suspend")) or held
