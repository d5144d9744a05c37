"""What earlier attempts still occupy: two drivers must never write at the same time."""

from collections.abc import Collection
from datetime import datetime

from datajob_controller.runtime.types import Observed
from datajob_controller.shared.policy.pods import holds_resources, may_still_run

ENDED = ("Complete", "Failed", "ValidationFailed")
"""Final values of a RayJob's `jobDeploymentStatus`."""


def previous_part(observed: Observed, now: datetime) -> str | None:
    """A part of an earlier attempt that could still write: its RayJob, unless that has ended, or its head pod."""
    for name, found in observed.of("RayJob").items():
        if found.get("status", {}).get("jobDeploymentStatus") not in ENDED:
            return f"RayJob {name}"
    return next((f"pod {name}" for name, pod in observed.of("Pod").items() if may_still_run(pod, now)), None)


def occupies(observed: Observed, current: Collection[str], now: datetime) -> bool:
    """Whether pods other than the current ones still terminate, so that their resources are not available yet."""
    return any(holds_resources(pod, now) for name, pod in observed.of("Pod").items() if name not in current)
