"""Why an attempt failed, and whether a retry can help.

`datajob.api.contract` classifies the exit codes of the workload. An error in the job itself is never retried. A sink error is
retried only if the sink has worked earlier in the attempt: then it is an outage and not a wrong path.
"""

import re
from dataclasses import dataclass

from datajob.api.contract import FINAL_ERRORS, KILLED, SINK_ERROR
from datajob.api.report import Report
from datajob_controller.datajob.text import plain, shortened
from datajob_controller.runtime.manifests import Manifest

LOG_LINES = 30
MAX_LOG = 3000

_EXIT_CODE = re.compile(r"exit code (-?\d+)")
_SIGNAL = re.compile(r"SIGKILL|signal 9")
_OUT_OF_MEMORY = re.compile(r"OutOfMemoryError|OOMKilled|Cannot allocate memory|MemoryError")
_WORKER_LOST = re.compile(r"NodeDiedError|WorkerCrashedError|ActorDiedError|RayActorError|ObjectLostError|OwnerDiedError")


@dataclass(frozen=True)
class Failure:
    """Why an attempt did not succeed."""

    reason: str
    message: str
    retried: bool = True


def ray_job_failure(ray_job: Manifest, report: Report | None) -> Failure:
    """The failure of a failed RayJob; `report` is that of this attempt, or None."""
    status = ray_job["status"]
    log = str(status.get("message") or "")
    if status.get("jobDeploymentStatus") == "ValidationFailed":
        return Failure("RayJobInvalid", f"KubeRay rejected the RayJob as invalid: {shortened(log)}", retried=False)
    code = _exit_code(log, report)
    reported = shortened(report.message) if report and report.state == "failed" and report.message else ""
    if code in FINAL_ERRORS:
        return _final_error(code, reported or last_lines(log), report)
    if status.get("jobStatus") == "STOPPED":
        return Failure("JobStopped", "The Ray job was stopped externally.")
    message = "\n".join(part for part in (reported, last_lines(log)) if part) or "The driver terminated without a message."
    return Failure(_infrastructure_reason(str(status.get("reason") or ""), code, message), message)


def last_lines(log: str) -> str:
    """The last lines of a log, short enough for a status."""
    return "\n".join(plain(log).strip().splitlines()[-LOG_LINES:])[-MAX_LOG:]


def _exit_code(log: str, report: Report | None) -> int | None:
    if report and report.exit_code is not None:
        return report.exit_code
    found = _EXIT_CODE.search(log)
    return int(found[1]) if found else None


def _final_error(code: int, message: str, report: Report | None) -> Failure:
    sink_worked = code == SINK_ERROR and report is not None and report.progress.shards_done > 0
    return Failure(FINAL_ERRORS[code], message, retried=sink_worked)


def _infrastructure_reason(reason: str, code: int | None, message: str) -> str:
    if code in KILLED or _SIGNAL.search(message) or _OUT_OF_MEMORY.search(message):
        return "OutOfMemory"
    if _WORKER_LOST.search(message):
        return "WorkerLost"
    return "DriverFailed" if reason in ("", "AppFailed") else reason
