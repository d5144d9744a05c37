"""Why an attempt failed, and whether a retry can help.

Only anchored facts count: the exit code in the report of this attempt, then the one in Ray's own sentence about the entrypoint,
then the type of the exception with which the driver ended. Text of logs is shown but never searched. `datajob.api.contract`
classifies the exit codes of the workload. An error in the job itself is never retried. A sink error is retried only if the sink
has worked earlier in the attempt: then it is an outage and not a wrong path.
"""

import re
from dataclasses import dataclass

from datajob.api.contract import (
    DRIVER_STARTED,
    FINAL_ERRORS,
    IMPORT_ERRORS,
    KILLED,
    MEMORY_ERRORS,
    RAY_ERRORS,
    SINK_ERROR,
    TEMPORARY_ERRORS,
)
from datajob.api.report import Report
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.text import shortened, without_start

LOG_LINES = 30
MAX_LOG = 3000
KEPT_BY_RAY = 15_000
"""A message of this length can lack the beginning of the log: Ray keeps its last 20,000 characters."""

_ENTRYPOINT = re.compile(r"Job entrypoint command failed with exit code (-?\d+)\b")
"""Beginning of Ray's message about a driver that failed."""
_EXCEPTION = re.compile(r"(?:RayTaskError\()?(\w+)\)?: ")
"""Beginning of the message of a driver that ended with an unexpected exception."""
_NO_MODULE = re.compile(r"^\S*python\S*: (?:No module named|Error while finding module specification for) .*", re.MULTILINE)
"""Message of the Python interpreter itself about `python -m MODULE`."""
_LOG = "`datajob logs NAME` prints the log of the driver."
_COMMAND_MISSING = (126, 127)


@dataclass(frozen=True)
class Failure:
    """Why an attempt did not succeed."""

    reason: str
    message: str
    retried: bool = True
    disruption: bool = False
    """Whether Kubernetes ended the attempt for reasons outside the job. Disruptions are retried and counted separately."""


def ray_job_failure(ray_job: Manifest, report: Report | None, settings: JobSettings) -> Failure:
    """The failure of a failed RayJob; `report` is that of this attempt, or None."""
    status = ray_job["status"]
    log = str(status.get("message") or "")
    if status.get("jobDeploymentStatus") == "ValidationFailed":
        return Failure("RayJobInvalid", f"KubeRay rejected the RayJob as invalid: {shortened(log)}", retried=False)
    code = exit_code(ray_job, report)
    reported = shortened(report.message) if report and report.state == "failed" and report.message else ""
    shown = _shown(log, report, settings)
    if code in FINAL_ERRORS:
        return _final_error(code, reported or shown, report)
    if code in TEMPORARY_ERRORS:
        return Failure(TEMPORARY_ERRORS[code], reported or shown)
    if status.get("jobStatus") == "STOPPED":
        return Failure("JobStopped", "The Ray job was stopped externally.")
    message = "\n".join(part for part in (reported, shown) if part) or "The driver terminated without a message."
    missing = not reported and code is not None and _NO_MODULE.search(last_lines(log)) is not None
    return _unexpected(code, reported, message, str(status.get("reason") or ""), missing=missing)


def _shown(log: str, report: Report | None, settings: JobSettings) -> str:
    """The last lines of a log, unless they can contain values of rows: user code may have printed them."""
    if settings.show_row_contents or not (report or DRIVER_STARTED in log or len(log) >= KEPT_BY_RAY):
        return last_lines(log)
    first = log.partition(",")[0] if _ENTRYPOINT.match(log) else ""
    return f"{first}. {_LOG}" if first else _LOG


def exit_code(ray_job: Manifest, report: Report | None) -> int | None:
    """The exit code of the driver, if it is known."""
    if report and report.exit_code is not None:
        return report.exit_code
    found = _ENTRYPOINT.match(str(ray_job.get("status", {}).get("message") or ""))
    return int(found[1]) if found else None


def last_lines(log: str) -> str:
    """The last lines of a log, short enough for a status."""
    return "\n".join(without_start(log).strip().splitlines()[-LOG_LINES:])[-MAX_LOG:]


def _final_error(code: int, message: str, report: Report | None) -> Failure:
    sink_worked = code == SINK_ERROR and report is not None and report.progress.shards_done > 0
    return Failure(FINAL_ERRORS[code], message, retried=sink_worked)


def _unexpected(code: int | None, reported: str, message: str, reason: str, *, missing: bool) -> Failure:
    """The failure of a driver that ended with an unexpected error, or was killed."""
    if code in KILLED:
        why = f"The driver was killed (exit code {code}), usually because the head exceeded its memory limit. "
        return Failure("OutOfMemory", f"{why}Increase spec.resources.head.memory.\n{message}")
    if code in _COMMAND_MISSING or missing:
        fix = "The image cannot run the driver. Use an image that is based on the workload image."
        return Failure("InvalidImage", f"{fix}\n{message}", retried=False)
    exception = _EXCEPTION.match(reported)
    kind = exception[1] if exception else ""
    if kind in IMPORT_ERRORS:
        return Failure("InvalidJob", f"A Python module is missing in the image. {message}", retried=False)
    if kind in MEMORY_ERRORS:
        return Failure("OutOfMemory", message)
    if kind in RAY_ERRORS:
        return Failure("WorkerLost", message)
    return Failure("DriverFailed" if reason in ("", "AppFailed") else reason, message)
