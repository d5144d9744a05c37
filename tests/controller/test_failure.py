"""The reason for a failed attempt, from the status of KubeRay and the report of the driver."""

from typing import Any

import pytest

from datajob_controller.datajob.policy.failure import LOG_LINES, MAX_LOG, last_lines, ray_job_failure
from datajob_controller.datajob.report import parse_report
from tests.support.reports import report
from tests.support.world import SETTINGS, ray_job


def ended(code: int, log: str = "the last line") -> str:
    """Ray's message about a driver that ended with an exit code."""
    return f"Job entrypoint command failed with exit code {code}, last available logs (truncated to 20,000 chars):\n{log}"


@pytest.mark.parametrize(
    ("status", "reason", "retried"),
    [
        ({"reason": "AppFailed", "message": ended(1)}, "DriverFailed", True),
        ({"reason": "AppFailed", "message": ended(2)}, "InvalidJob", False),
        ({"reason": "AppFailed", "message": ended(3)}, "InputError", False),
        ({"reason": "AppFailed", "message": ended(4)}, "SinkError", False),
        ({"reason": "AppFailed", "message": ended(5)}, "RowsFailed", False),
        ({"reason": "AppFailed", "message": ended(6)}, "StorageUnavailable", True),
        ({"reason": "AppFailed", "message": ended(8)}, "SinkBusy", True),
        ({"reason": "AppFailed", "message": ended(7)}, "WorkerDied", False),
        ({"reason": "AppFailed", "message": ended(137)}, "OutOfMemory", True),
        ({"reason": "AppFailed", "message": ended(-9)}, "OutOfMemory", True),
        ({"reason": "AppFailed", "message": ended(127, "bash: python: command not found")}, "InvalidImage", False),
        ({"reason": "AppFailed", "message": ended(1, "/usr/bin/python: No module named datajob")}, "InvalidImage", False),
        (
            {"reason": "AppFailed", "message": "the driver was lost; a child failed with exit code 3, signal 9"},
            "DriverFailed",
            True,
        ),
        ({"reason": "AppFailed", "message": ended(1, "MemoryError\nexit code 2\nSIGKILL\nOOMKilled")}, "DriverFailed", True),
        ({"reason": "SubmissionFailed", "message": "no answer"}, "SubmissionFailed", True),
        ({"reason": "JobStatusCheckTimeoutExceeded"}, "JobStatusCheckTimeoutExceeded", True),
        ({"jobStatus": "STOPPED", "jobDeploymentStatus": "Complete"}, "JobStopped", True),
        ({"jobDeploymentStatus": "ValidationFailed", "message": "no head"}, "RayJobInvalid", False),
    ],
)
def test_every_status_of_kuberay_has_a_reason(status: dict[str, Any], reason: str, retried: bool) -> None:
    failure = ray_job_failure(ray_job("x-1", **status), None, SETTINGS)
    assert (failure.reason, failure.retried) == (reason, retried)
    assert failure.message


@pytest.mark.parametrize(
    ("message", "reason", "retried"),
    [
        ("OutOfMemoryError: Task was killed due to the node running low on memory", "OutOfMemory", True),
        ("MemoryError: Unable to allocate 8.00 GiB", "OutOfMemory", True),
        ("RayTaskError(OutOfMemoryError): ray::task()", "OutOfMemory", True),
        ("WorkerCrashedError: The worker died unexpectedly", "WorkerLost", True),
        ("ModuleNotFoundError: No module named 'langid'", "InvalidJob", False),
        ("KeyError: 'MemoryError: WorkerCrashedError'", "DriverFailed", True),
        ("The log contains OutOfMemoryError: and MemoryError", "DriverFailed", True),
    ],
)
def test_an_unexpected_exception_is_classified_by_its_type_alone(message: str, reason: str, retried: bool) -> None:
    said = parse_report({"data": {"report.json": report("failed", message=message, exitCode=1)}})
    failure = ray_job_failure(ray_job("x-1", message=ended(1)), said, SETTINGS)
    assert (failure.reason, failure.retried) == (reason, retried)
    assert message in failure.message


def test_the_exit_code_of_the_report_precedes_that_of_ray() -> None:
    said = parse_report({"data": {"report.json": report("failed", message="no such bucket", exitCode=3)}})
    assert ray_job_failure(ray_job("x-1", message=ended(1)), said, SETTINGS).reason == "InputError"


def test_the_message_of_the_driver_is_preferred_to_its_log() -> None:
    said = parse_report({"data": {"report.json": report("failed", message="no such bucket", exitCode=3)}})
    failure = ray_job_failure(ray_job("x-1", message="a\nlong\nlog with exit code 1"), said, SETTINGS)
    assert (failure.reason, failure.message) == ("InputError", "no such bucket")


@pytest.mark.parametrize(("shards", "retried"), [(0, False), (1, True)])
def test_a_sink_error_is_retried_only_when_the_sink_worked_before(shards: int, retried: bool) -> None:
    progress = {"shardsDone": shards, "shardsTotal": 9}
    said = parse_report({"data": {"report.json": report("failed", message="denied", exitCode=4, progress=progress)}})
    assert ray_job_failure(ray_job("x-1"), said, SETTINGS).retried is retried


def test_the_last_lines_of_a_log_are_kept() -> None:
    log = "\n".join(f"line {number} " + "x" * 200 for number in range(500))
    kept = last_lines(log)
    assert "line 499" in kept
    assert "line 400 " not in kept
    assert len(kept) <= MAX_LOG
    assert kept.count("\n") < LOG_LINES
