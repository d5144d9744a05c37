"""The reason for a failed attempt, from the status of KubeRay and the report of the driver."""

from typing import Any

import pytest

from datajob_controller.datajob.policy.failure import LOG_LINES, MAX_LOG, last_lines, ray_job_failure
from datajob_controller.datajob.report import parse_report
from tests.support.reports import report
from tests.support.world import ray_job


@pytest.mark.parametrize(
    ("status", "reason", "retried"),
    [
        ({"reason": "AppFailed", "message": "failed with exit code 1, last logs: boom"}, "DriverFailed", True),
        ({"reason": "AppFailed", "message": "failed with exit code 2, last logs: bad"}, "InvalidJob", False),
        ({"reason": "AppFailed", "message": "failed with exit code 3"}, "InputError", False),
        ({"reason": "AppFailed", "message": "failed with exit code 4"}, "SinkError", False),
        ({"reason": "AppFailed", "message": "failed with exit code 5"}, "RowsFailed", False),
        ({"reason": "AppFailed", "message": "failed with exit code 137"}, "OutOfMemory", True),
        ({"reason": "AppFailed", "message": "failed due to signal SIGKILL"}, "OutOfMemory", True),
        ({"reason": "AppFailed", "message": "ray.exceptions.OutOfMemoryError: ..."}, "OutOfMemory", True),
        ({"reason": "AppFailed", "message": "ray.exceptions.WorkerCrashedError"}, "WorkerLost", True),
        ({"reason": "SubmissionFailed", "message": "no answer"}, "SubmissionFailed", True),
        ({"reason": "JobStatusCheckTimeoutExceeded"}, "JobStatusCheckTimeoutExceeded", True),
        ({"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}, "JobStopped", True),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "no head"}, "RayJobInvalid", False),
    ],
)
def test_every_status_of_kuberay_has_a_reason(status: dict[str, Any], reason: str, retried: bool) -> None:
    failure = ray_job_failure(ray_job("x-1", **status), None)
    assert (failure.reason, failure.retried) == (reason, retried)
    assert failure.message


def test_the_message_of_the_driver_is_preferred_to_its_log() -> None:
    said = parse_report({"data": {"report.json": report("failed", message="no such bucket", exitCode=3)}})
    failure = ray_job_failure(ray_job("x-1", message="a\nlong\nlog with exit code 1"), said)
    assert (failure.reason, failure.message) == ("InputError", "no such bucket")


@pytest.mark.parametrize(("shards", "retried"), [(0, False), (1, True)])
def test_a_sink_error_is_retried_only_when_the_sink_worked_before(shards: int, retried: bool) -> None:
    progress = {"shardsDone": shards, "shardsTotal": 9}
    said = parse_report({"data": {"report.json": report("failed", message="denied", exitCode=4, progress=progress)}})
    assert ray_job_failure(ray_job("x-1"), said).retried is retried


def test_the_last_lines_of_a_log_are_kept() -> None:
    log = "\n".join(f"line {number} " + "x" * 200 for number in range(500))
    kept = last_lines(log)
    assert "line 499" in kept
    assert "line 400 " not in kept
    assert len(kept) <= MAX_LOG
    assert kept.count("\n") < LOG_LINES
