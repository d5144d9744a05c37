"""Who holds a job back: its author (`spec.suspend`), or a queue that has not admitted its RayJob yet."""

from datajob_controller.runtime.manifests import Manifest

_HELD = {"Suspending", "Suspended"}


def held_by_queue(ray_job: Manifest) -> bool:
    """Whether Kueue holds the RayJob: it writes the RayJob's own `suspend`, which the controller never touches."""
    held = ray_job.get("status", {}).get("jobDeploymentStatus") in _HELD
    return bool(ray_job["spec"].get("suspend")) or held
