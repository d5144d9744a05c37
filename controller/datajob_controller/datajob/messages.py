"""Messages of conditions and Events."""

from datajob_controller.runtime.manifests import Manifest

PREVIOUS_TERMINATING = "PreviousAttemptTerminating"
"""Reason of `Reconciling` while an attempt waits for the end of an earlier one."""
FINISHED: dict[str, str] = {
    "RetryLimitReached": "spec.retry.limit is reached. Fix the cause of the failures, then increase the limit to continue.",
    "DeadlineExceeded": "The deadline has passed. Increase spec.deadlineSeconds to continue.",
    "NotRetried": "A retry cannot fix the failure. Fix its cause, then edit the job, or change spec.restart, to run it again.",
}


def outcome(attempt: Manifest) -> str:
    """How a finished attempt ended, if another one follows."""
    if attempt.get("interrupted"):
        return f"Attempt {attempt['number']} was interrupted, which does not count toward spec.retry.limit"
    return f"Attempt {attempt['number']} failed"


def starting(ray_job: str) -> str:
    return f"RayJob {ray_job} was created. Waiting for its Ray cluster to start."
