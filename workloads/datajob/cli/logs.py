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
from datajob.errors import InputError, InvalidJob

LOGS = "_datajob/logs"
_OF_RAY = "cat /tmp/ray/session_latest/logs/job-driver-*.log"


def show_logs(target: str, *, attempt: int | None, namespace: str | None, context: str | None) -> None:
    """Print the log of a run: `target` is the name of a DataJob or the path of a sink. Raises InputError if there is none."""
    if "/" in target or os.path.isdir(target):
        click.echo(stored_log(target, attempt), nl=False)
        return
    options = [*(["--namespace", namespace] if namespace else []), *(["--context", context] if context else [])]
    job = json.loads(_kubectl("get", f"datajobs.{API_GROUP}", target, "--output=json", *options))
    current = int(job.get("status", {}).get("attempt", 1))
    wanted = attempt or current
    text = _log_of_pod(job, wanted, options) if wanted == current else None
    click.echo(text if text is not None else _log_in_sink(job, wanted), nl=False)


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
    status = job.get("status", {})
    ended = [one for one in status.get("attempts", ()) if one["number"] == attempt]
    path = ended[-1].get("log") if ended else status.get("log")
    if path:
        from datajob.formats.folder import Folder

        folder, _, name = path.rpartition("/")
        return Folder(folder).read(name).decode(errors="replace")
    (writer,) = job["spec"]["sink"].values()
    return stored_log(writer["path"], attempt)


def _log_of_pod(job: dict[str, Any], attempt: int, options: Sequence[str]) -> str | None:
    """The log in the head pod; None if that does not exist or its driver has not started."""
    selector = f"{LABEL_UID}={job['metadata']['uid']},{LABEL_ATTEMPT}={attempt},ray.io/node-type=head"
    running = ("--field-selector=status.phase=Running", "--output=name")
    pods = _kubectl("get", "pods", f"--selector={selector}", *running, *options).split()
    if not pods:
        return None
    try:
        return _kubectl("exec", pods[0], f"--container={HEAD_CONTAINER}", *options, "--", "sh", "-c", _OF_RAY)
    except InputError:
        return None


def _kubectl(*arguments: str) -> str:
    program = shutil.which("kubectl")
    if program is None:
        raise InvalidJob("kubectl is required to read the log of a DataJob; for a stored log, specify the path of its sink")
    done = subprocess.run([program, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise InputError(f"kubectl {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")
