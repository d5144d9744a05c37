"""The metrics of single DataJobs, as text.

There can be thousands of jobs with a dozen series each. The text of a job is therefore kept until the job changes.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

from datajob_controller.runtime.kind import Objects
from datajob_controller.runtime.manifests import Manifest, parse_time
from datajob_controller.runtime.stored import Stored
from datajob_controller.shared.exposition import Sample, head, line

JobDetail = Literal["none", "jobs", "steps"]
FINISHED = ("Complete", "Failed")
"""Phases in which a job has no series per step: there can be thousands of finished jobs."""
_HELP = {
    "datajob_phase": "1 for the phase of a DataJob; the reason is that of its condition.",
    "datajob_stalled": "1 for a DataJob that waits for a user: it is Stalled but has not failed.",
    "datajob_attempt": "Number of the current attempt of a DataJob.",
    "datajob_failed_attempts": "Failed attempts of a DataJob.",
    "datajob_started_timestamp_seconds": "Start time of a DataJob.",
    "datajob_finished_timestamp_seconds": "End time of a DataJob.",
    "datajob_progress_ratio": "Completed share of a DataJob, from 0 to 1.",
    "datajob_eta_seconds": "Estimated time until a DataJob is complete, while it runs.",
    "datajob_pool_busy_ratio": "Share of the time during which the processes of a running stage work.",
    "datajob_pool_queued_rows": "Rows that wait for the processes of a running stage.",
    "datajob_pool_rows_per_second": "Rows per second of the processes of a running stage.",
    "datajob_endpoint_requests": "Requests of a DataJob to an endpoint, including retries.",
    "datajob_endpoint_retries": "Requests of a DataJob to an endpoint that were repeated.",
    "datajob_endpoint_tokens": "Tokens of prompts (input) and answers (output) of an endpoint, as counted by the endpoint.",
    "datajob_endpoint_wait_seconds": "Time before requests to an endpoint were repeated, summed over all requests.",
    "datajob_endpoint_cost": "Cost of the tokens of an endpoint, in the currency of its prices.",
    "datajob_rows": "Rows of a DataJob.",
    "datajob_shards": "Shards of a DataJob.",
    "datajob_output_bytes": "Size of the result of a DataJob.",
    "datajob_rejected_rows": "Rows that a step rejected.",
    "datajob_removed_items": "Items that a step removed from lists of rows that it passed on, such as images.",
    "datajob_step_seconds": "Processing time of a step in seconds, summed over all workers.",
}
_NAMES = tuple(_HELP)


class Series:
    """The metrics of all jobs. Not to be rendered by several threads at the same time."""

    def __init__(self, jobs: Objects, detail: JobDetail = "steps") -> None:
        self._jobs = jobs
        self._detail = detail
        self._kept: dict[str, tuple[int, str, tuple[str, ...]]] = {}
        """Per UID: version of the job, its phase, and its text for each name."""

    def text(self) -> str:
        """All series in the text format of Prometheus."""
        kept: dict[str, tuple[int, str, tuple[str, ...]]] = {}
        phases: dict[tuple[str, str], int] = {}
        for job in self._jobs():
            known = self._kept.get(job.uid)
            entry = kept[job.uid] = known if known and known[0] == job.version else self._render(job)
            key = (job.namespace, entry[1])
            phases[key] = phases.get(key, 0) + 1
        self._kept = kept
        counts = [line("datajob_jobs", {"namespace": one, "phase": phase}, count) for (one, phase), count in phases.items()]
        parts = [head("datajob_jobs", "DataJobs by phase."), *counts]
        for number, (name, documentation) in enumerate(_HELP.items()):
            parts.append(head(name, documentation))
            parts += [texts[number] for _, _, texts in kept.values() if texts]
        return "".join(parts)

    def _render(self, job: Stored) -> tuple[int, str, tuple[str, ...]]:
        status = job.manifest.get("status") or {}
        if self._detail == "none":
            return job.version, _phase(status), ()
        texts = dict.fromkeys(_NAMES, "")
        of_job = {"namespace": job.namespace, "name": job.name}
        for name, labels, value in _samples(status, with_steps=self._detail == "steps"):
            texts[name] += line(name, {**of_job, **labels}, value)
        return job.version, _phase(status), tuple(texts.values())


def reason(status: Manifest) -> str:
    """The reason of the phase: that of the condition that is true. `Accepted` is true in almost every phase."""
    true = [one for one in status.get("conditions", ()) if one["status"] == "True" and one["type"] != "Accepted"]
    return str(true[0]["reason"]) if true else "Pending"


def _phase(status: Manifest) -> str:
    return str(status.get("phase", "Pending"))


def _samples(status: Manifest, *, with_steps: bool) -> Iterator[Sample]:
    phase, why = _phase(status), reason(status)
    yield "datajob_phase", {"phase": phase, "reason": why}, 1
    if phase != "Failed" and _is_true(status, "Stalled"):
        yield "datajob_stalled", {"reason": why}, 1
    yield "datajob_attempt", {}, status.get("attempt", 0)
    yield "datajob_failed_attempts", {}, status.get("failures", 0)
    for field in ("started", "finished"):
        if moment := parse_time(status.get(field)):
            yield f"datajob_{field}_timestamp_seconds", {}, moment.timestamp()
    yield from _progress(phase, status.get("progress") or {})
    if phase == "Running":
        yield from _pools(status.get("pools", ()))
    yield from _endpoints(status.get("endpoints", ()))
    if "output" in status:
        yield "datajob_output_bytes", {}, status["output"].get("bytes", 0)
    if with_steps and phase not in FINISHED:
        yield from _steps(status.get("steps", ()))


def _progress(phase: str, progress: Manifest) -> Iterator[Sample]:
    for count in ("rowsIn", "rowsOut", "rowsRejected", "rowsFailed"):
        yield "datajob_rows", {"count": count.removeprefix("rows").lower()}, progress.get(count, 0)
    for state, field in (("done", "shardsDone"), ("total", "shardsTotal")):
        yield "datajob_shards", {"state": state}, progress.get(field, 0)
    yield "datajob_progress_ratio", {}, 1.0 if phase == "Complete" else progress.get("percent", 0) / 100
    if phase == "Running" and progress.get("etaSeconds") is not None:
        yield "datajob_eta_seconds", {}, progress["etaSeconds"]


def _pools(pools: Iterable[Manifest]) -> Iterator[Sample]:
    for pool in pools:
        for name, field in (("busy_ratio", "busy"), ("queued_rows", "queued"), ("rows_per_second", "rowsPerSecond")):
            yield f"datajob_pool_{name}", {"pool": pool["name"]}, pool.get(field, 0)


def _endpoints(endpoints: Iterable[Manifest]) -> Iterator[Sample]:
    for one in endpoints:
        labels = {"endpoint": one["endpoint"], "model": one.get("model", "")}
        yield "datajob_endpoint_requests", labels, one.get("requests", 0)
        yield "datajob_endpoint_retries", labels, one.get("retries", 0)
        for direction, field in (("input", "inputTokens"), ("output", "outputTokens")):
            yield "datajob_endpoint_tokens", {**labels, "direction": direction}, one.get(field, 0)
        yield "datajob_endpoint_wait_seconds", labels, one.get("waitSeconds", 0)
        if one.get("cost") is not None:
            yield "datajob_endpoint_cost", labels, one["cost"]


def _steps(steps: Iterable[Manifest]) -> Iterator[Sample]:
    for step in steps:
        yield "datajob_step_seconds", {"step": step["name"]}, step.get("seconds", 0)
        for why, count in step.get("rejected", {}).items():
            yield "datajob_rejected_rows", {"step": step["name"], "reason": why}, count
        for why, count in step.get("removedItems", {}).items():
            yield "datajob_removed_items", {"step": step["name"], "reason": why}, count


def _is_true(status: Manifest, kind: str) -> bool:
    return any(one["type"] == kind and one["status"] == "True" for one in status.get("conditions", ()))
