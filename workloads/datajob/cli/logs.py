"""`datajob logs`: the log of a run, from its head pod while it runs on a cluster, and from the sink afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import click

from datajob.api import API_GROUP
from datajob.api.contract import HEAD_CONTAINER, LABEL_ATTEMPT, LABEL_UID
from datajob.errors import DataJobError, InputError, InvalidJob

LOGS = "_datajob/logs"
_NO_LOG = 3
_OF_RAY = f"cat /tmp/ray/session_latest/logs/job-driver-*.log 2>/dev/null || exit {_NO_LOG}"
"""Prints the log of the driver; the exit code states that there is none."""


def show_logs(target: str, *, attempt: int | None, namespace: str | None, context: str | None) -> None:
    """Print the log of a run: `target` is the name of a DataJob or the path of a sink. Raises InputError if there is none."""
    if "/" in target or os.path.isdir(target):
        click.echo(stored_log(target, attempt), nl=False)
        return
    options = [*(["--namespace", namespace] if namespace else []), *(["--context", context] if context else [])]
    job = json.loads(_kubectl("get", f"datajobs.{API_GROUP}", target, "--output=json", *options))
    current = int(job.get("status", {}).get("attempt", 1))
    wanted = attempt or current
    text, why = _log_of_pod(job, wanted, options) if wanted == current else (None, "")
    if text is None:
        try:
            text = _log_in_sink(job, wanted)
        except DataJobError as error:
            if not why:
                raise
            raise InputError(f"{why} Also, {error}") from error
        if why:
            click.echo(f"{why} This is the log that was last stored in the sink:", err=True)
    click.echo(text, nl=False)


def stored_log(sink: str, attempt: int | None) -> str:
    """The newest log in a sink, or that of an attempt."""
    from datajob.formats.folder import Folder

    root = sink.rstrip("/").removesuffix("/_datajob/logs").removesuffix("/_datajob")
    folder = Folder(root)
    names = sorted(name for name in folder.list(LOGS) if name.endswith(".log"))
    found = [name for name in names if attempt is None or name.endswith(f"-{attempt}.log")]
    if not found:
        of = f" of attempt {attempt}" if attempt else ""
        raise InputError(f"{root} contains no log{of} ({LOGS}); specify the sink of a run that has started")
    return folder.read(found[-1]).decode(errors="replace")


def _log_in_sink(job: dict[str, Any], attempt: int) -> str:
    """The log at the path in the status. The sink can contain logs of other runs, which are never shown instead."""
    status, name = job.get("status", {}), job["metadata"]["name"]
    ended = [one for one in status.get("attempts", ()) if one["number"] == attempt]
    path = ended[-1].get("log") if ended else status.get("log") if attempt == status.get("attempt") else None
    if not path:
        (writer,) = job["spec"]["sink"].values()
        raise InputError(
            f"the driver of attempt {attempt} of DataJob {name} has not stored a log (phase {status.get('phase', 'unknown')}, "
            f"reason {status.get('reason', 'unknown')}). `kubectl describe datajob {name}` shows its state; "
            f"`datajob logs {writer['path']}` shows the last log in the sink, possibly of another run"
        )
    from datajob.formats.folder import Folder

    folder, _, file = path.rpartition("/")
    return Folder(folder).read(file).decode(errors="replace")


def _log_of_pod(job: dict[str, Any], attempt: int, options: Sequence[str]) -> tuple[str | None, str]:
    """The log in the head pod of an attempt. None, and why it cannot be read, if the pod exists but does not provide it."""
    selector = f"{LABEL_UID}={job['metadata']['uid']},{LABEL_ATTEMPT}={attempt},ray.io/node-type=head"
    running = ("--field-selector=status.phase=Running", "--output=name")
    try:
        pods = _kubectl("get", "pods", f"--selector={selector}", *running, *options).split()
        if not pods:
            return None, ""
        return _kubectl("exec", pods[0], f"--container={HEAD_CONTAINER}", *options, "--", "sh", "-c", _OF_RAY), ""
    except _KubectlError as error:
        if error.code == _NO_LOG:
            return None, ""
        fix = " Ask for the permissions to list pods and to create pods/exec." if error.forbidden else ""
        return None, f"The log in the head pod cannot be read. {error}.{fix}"


class _KubectlError(InputError):
    def __init__(self, command: str, code: int, text: str) -> None:
        super().__init__(f"kubectl {command}: {text.strip().rstrip('.')}")
        self.code, self.forbidden = code, "forbidden" in text.lower()


def _kubectl(*arguments: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise InvalidJob("kubectl is required to read the log of a DataJob; for a stored log, specify the path of its sink")
    done = subprocess.run([program, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise _KubectlError(arguments[0], done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout.decode(errors="replace")
