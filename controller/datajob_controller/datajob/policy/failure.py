"""Why an attempt failed, and whether trying again can help.

The exit codes are the workload's contract (`datajob.errors`): 2 invalid job, 3 input, 4 sink, 5 rows. An error in the job
itself is never retried. A sink error is retried only when the sink has worked before in this run: then it is an outage, not a
wrong path.
"""

import re
from dataclasses import dataclass

from datajob.api.contract import FINAL_ERRORS, KILLED, SINK_ERROR
from datajob.api.report import Report
from datajob_controller.runtime.manifests import Manifest

LOG_LINES = 30
MAX_LOG = 3000

_EXIT_CODE = re.compile(r"exit code (-?\d+)")
_SIGNAL = re.compile(r"SIGKILL|signal 9")
_OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|OOMKilled|Cannot allocate memory|MemoryError")
_WORKER_LOST = re.compile(r"NodeDiedError|WorkerCrashedError|ActorDiedError|RayActorError|ObjectLostError|OwnerDiedError")


@dataclass(frozen=True)
class Failure:
    """How an attempt ended when it did not succeed."""

    reason: str
    message: str
    retried: bool = True


def ray_job_failure(ray_job: Manifest, report: Report | None) -> Failure:
    """The failure of a RayJob that says it failed; `report` is the one of this very attempt, or None."""
    status = ray_job["status"]
    said = str(status.get("message") or "")
    if status.get("jobDeploymentStatus") == "ValidationFailed":
        return Failure("RayJobInvalid", f"KubeRay refused the RayJob: {said}", retried=False)
    code = _exit_code(said, report)
    reported = report.message if report and report.state == "failed" and report.message else ""
    if code in FINAL_ERRORS:
        return _user_error(code, reported or last_lines(said), report)
    if status.get("jobStatus") == "STOPPED":
        return Failure("JobStopped", "Someone stopped the Ray job.")
    message = "\n".join(part for part in (reported, last_lines(said)) if part) or "The driver ended without a message."
    return Failure(_platform_reason(str(status.get("reason") or ""), code, message), message)


def last_lines(log: str) -> str:
    """The end of a log, short enough for a status."""
    return "\n".join(log.strip().splitlines()[-LOG_LINES:])[-MAX_LOG:]


def _exit_code(said: str, report: Report | None) -> int | None:
    if report and report.exit_code is not None:
        return report.exit_code
    found = _EXIT_CODE.search(said)
    return int(found[1]) if found else None


def _user_error(code: int, message: str, report: Report | None) -> Failure:
    worked_before = code == SINK_ERROR and report is not None and report.progress.shards_done > 0
    return Failure(FINAL_ERRORS[code], message, retried=worked_before)


def _platform_reason(said: str, code: int | None, message: str) -> str:
    if code in KILLED or _SIGNAL.search(message) or _OUT_OF_MEMORY.search(message):
        return "OutOfMemory"
    if _WORKER_LOST.search(message):
        return "WorkerLost"
    return "DriverFailed" if said in ("", "AppFailed") else said
