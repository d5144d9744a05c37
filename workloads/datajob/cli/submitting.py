"""`datajob submit`: apply a job to a cluster, follow it, and exit with its exit code."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Sequence
from typing import Any, Literal, Self

import click

from datajob.cli.running import checked_job, chosen_document
from datajob.errors import InvalidJob
from datajob.python.submission import SubmittedJob, submit_checked

OnTermination = Literal["leave", "suspend", "delete"]
TERMINATED = 143
INTERRUPTED = 130
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def submit_file(
    *,
    file: str,
    name: str | None,
    overrides: Sequence[str],
    namespace: str | None,
    context: str | None,
    run_id: str | None,
    force_conflicts: bool,
    wait: bool,
    timeout: str | None,
    on_termination: OnTermination,
    quiet: bool,
    form: str,
) -> int:
    """Submit one job of a file; returns the exit code. Raises DataJobError."""
    seconds = duration(timeout)
    checked = checked_job(chosen_document(file, name, overrides))
    with _Termination() as termination:
        job = submit_checked(checked, namespace=namespace, context=context, run_id=run_id, force_conflicts=force_conflicts)
        if not quiet:
            click.echo(f"DataJob {job.name} in namespace {job.namespace}: {job.change}", err=True)
        if not wait:
            _print(job, {}, form)
            return 0
        try:
            termination.raise_from_now_on()
            status = job.wait(seconds, None if quiet else lambda line: click.echo(f"{job.name}: {line}", err=True))
        except (_Terminated, KeyboardInterrupt) as signaled:
            _leave(job, on_termination)
            return TERMINATED if isinstance(signaled, _Terminated) else INTERRUPTED
        _print(job, status, form)
        return 0


def duration(text: str | None) -> float | None:
    """The seconds of a duration such as `90s` or `1h30m`. Raises InvalidJob."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise InvalidJob(f"--timeout {text} is not a duration; write it as 90s, 30m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600.0 * hours + 60 * minutes + seconds


def _print(job: SubmittedJob, status: dict[str, Any], form: str) -> None:
    """The result on standard output: the path of the manifest, or JSON."""
    output = status.get("output") or {}
    if form == "json":
        about = {"name": job.name, "namespace": job.namespace, "uid": job.uid, "change": job.change}
        click.echo(json.dumps({**about, "phase": status.get("phase"), "output": output}))
    elif output.get("manifest"):
        click.echo(output["manifest"])


def _leave(job: SubmittedJob, on_termination: OnTermination) -> None:
    if on_termination == "suspend":
        job.suspend()
        click.echo(f"DataJob {job.name} is suspended. Run the same command again to resume it.", err=True)
    elif on_termination == "delete":
        job.delete()
        click.echo(f"DataJob {job.name} is deleted.", err=True)
    else:
        click.echo(f"DataJob {job.name} continues on the cluster. Run the same command again to wait for it.", err=True)


class _Terminated(BaseException):
    pass


class _Termination:
    """SIGTERM and Ctrl-C while a job is submitted take effect once it is known, so that it can be suspended or deleted.

    A second Ctrl-C takes effect at once.
    """

    def __init__(self) -> None:
        self._received: type[BaseException] | None = None
        self._raises = False

    def __enter__(self) -> Self:
        self._before = [(number, signal.signal(number, self._receive)) for number in (signal.SIGTERM, signal.SIGINT)]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def raise_from_now_on(self) -> None:
        """Raise _Terminated or KeyboardInterrupt for a signal that was received, and for each later one."""
        self._raises = True
        if self._received:
            raise self._received

    def _receive(self, number: int, _: object) -> None:
        again = self._received is KeyboardInterrupt and number == signal.SIGINT
        self._received = _Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if self._raises or again:
            raise self._received
