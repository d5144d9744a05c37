"""Counts of one shard, and how the counts of many shards add up to those of the report. Plain data, JSON in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from datajob.api.report import EndpointReport, Histogram, Sample, StepReport, WorkerReport
from datajob.engine.counts.endpoint_tally import EndpointTally
from datajob.engine.counts.pictures import pictures
from datajob.engine.counts.shown import shown
from datajob.engine.counts.sketch import Sketch
from datajob.engine.counts.sources import Sources, SourceTally, add_sources
from datajob.media.values import is_media

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import EndpointUse, Measures

BINS = 40
MEASURED_COLUMNS = 4
SAMPLES_PER_REASON = 3
WRITTEN_SAMPLES = 5
SAMPLE_COLUMNS = 12
"""Columns of an example row; columns of media are always among them."""
PICTURE_CHARACTERS = 1_000_000
"""Characters of all pictures of a report."""

MeasureKey = tuple[str, str, str]
"""Step that observed the rows, filter that the measure belongs to, name of the measure."""


@dataclass
class StepTally:
    """Counts of one step."""

    rows_in: int = 0
    rows_out: int = 0
    failed: int = 0
    seconds: float = 0.0
    rejected: dict[str, int] = field(default_factory=dict)
    removed_items: dict[str, int] = field(default_factory=dict)
    """Items that it removed from lists of rows that it passed on, by reason."""
    unread: int = 0
    """Rows that it did not pass on because a later limit had enough rows."""
    error: str = ""
    """Error of the first failed row."""

    @property
    def missing(self) -> int:
        """Rows that reached the step and that no other count contains; negative if the step added rows."""
        return self.rows_in - self.rows_out - sum(self.rejected.values()) - self.failed - self.unread

    @property
    def failed_on_every_row(self) -> bool:
        """True if no row that reached the step passed or was rejected."""
        return 0 < self.rows_in <= self.failed and not self.rows_out

    def add(self, other: StepTally) -> None:
        """Add the counts of another shard for the same step."""
        self.rows_in += other.rows_in
        self.rows_out += other.rows_out
        self.failed += other.failed
        self.unread += other.unread
        self.seconds += other.seconds
        self.error = self.error or other.error
        for mine, more in ((self.rejected, other.rejected), (self.removed_items, other.removed_items)):
            for reason, count in more.items():
                mine[reason] = mine.get(reason, 0) + count


@dataclass
class WorkerTally:
    """Activity of the models of one worker process."""

    device: str = "cpu"
    calls: int = 0
    rows: int = 0
    first: float = 0.0
    """Unix time at which its first call started."""
    last: float = 0.0
    """Unix time at which its last call ended."""
    models: list[str] = field(default_factory=list)
    """Descriptions of its models: engine, model, revision, type."""
    busy: float = 0.0
    """Seconds during which they were busy."""

    def describe(self, *models: str) -> WorkerTally:
        """Add descriptions of models, each once."""
        self.models += [m for m in dict.fromkeys(models) if m and m not in self.models]
        return self

    def add(self, calls: int, rows: int, first: float, last: float, busy: float) -> None:
        """Count calls that took place between two times."""
        self.busy += busy
        self.first = first if not self.calls else min(self.first, first)
        self.last = max(self.last, last)
        self.calls += calls
        self.rows += rows


@dataclass
class Tally:
    """Counts, length histograms and example rows of a shard or of a run."""

    steps: dict[str, StepTally] = field(default_factory=dict)
    histograms: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Column -> `read` | `written` -> rows per power of two of bytes."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    workers: dict[str, WorkerTally] = field(default_factory=dict)
    """Host and process ID -> activity of its models."""
    measures: dict[MeasureKey, Sketch] = field(default_factory=dict)
    """Distribution of each measure that a step observed."""
    sources: dict[str, Sources] = field(default_factory=dict)
    """Rows and tokens of each source, by the step that counted them."""
    endpoints: dict[str, EndpointTally] = field(default_factory=dict)
    """Endpoint and model -> requests to them."""
    reused: int = 0
    """Rows whose model outputs came from a process that did not commit their shard."""

    def worker(self, name: str, device: str) -> WorkerTally:
        """The entry of a worker process, created if it does not exist."""
        return self.workers.setdefault(name, WorkerTally(device))

    def use_endpoint(self, use: EndpointTally | EndpointUse) -> None:
        """Add requests to an endpoint."""
        key = f"{use.endpoint} {use.model}"
        self.endpoints.setdefault(key, EndpointTally(use.endpoint, use.model)).add(use)

    def step(self, name: str) -> StepTally:
        """The entry of a step, created if it does not exist."""
        return self.steps.setdefault(name, StepTally())

    def of_sources(self, step: str) -> Sources:
        """The sources that a step counts, created if they do not exist."""
        return self.sources.setdefault(step, {})

    def add(self, other: Tally) -> None:
        """Add the tally of another shard. Of the samples, the first few per step and reason are kept."""
        for name, step in other.steps.items():
            self.step(name).add(step)
        for column, sides in other.histograms.items():
            for side, counts in sides.items():
                mine = self.histograms.setdefault(column, {}).setdefault(side, [0] * BINS)
                self.histograms[column][side] = [a + b for a, b in zip(mine, counts, strict=True)]
        for name, worker in other.workers.items():
            here = self.worker(name, worker.device).describe(*worker.models)
            here.add(worker.calls, worker.rows, worker.first, worker.last, worker.busy)
        for use in other.endpoints.values():
            self.use_endpoint(use)
        self.reused += other.reused
        for name, sources in other.sources.items():
            add_sources(self.of_sources(name), sources)
        for key, sketch in other.measures.items():
            self.measures.setdefault(key, Sketch()).merge(sketch)
        for sample in other.samples:
            if self.needs_sample(sample["step"], sample["reason"]):
                self.samples.append(sample)

    def reuse_models(self) -> None:
        """Count the rows that models processed as reused: an earlier attempt, or another process, stored these results."""
        self.reused += sum(worker.rows for worker in self.workers.values())
        self.workers = {}

    def observe(self, step: str, found: Mapping[str, Measures]) -> None:
        """Add measures of rows, as returned by `Observe.observe`."""
        for name, measures in found.items():
            for measure, values in measures.items():
                self.measures.setdefault((step, name, measure), Sketch()).add(values)

    def needs_sample(self, step: str, reason: str | None) -> bool:
        """True if there are not enough samples of this step and reason yet."""
        have = sum(1 for s in self.samples if s["step"] == step and s["reason"] == reason)
        return have < (WRITTEN_SAMPLES if reason is None else SAMPLES_PER_REASON)

    def sample(self, step: str, reason: str | None, rows: pa.Table, folders: Mapping[str, str | None] | None = None) -> None:
        """Keep the first of `rows` as samples, with shortened values.

        `folders` contains the columns that steps read as media, with the folder of their paths.
        """
        if not rows.num_rows or not self.needs_sample(step, reason):
            return
        shown_ones = {*rows.column_names[:SAMPLE_COLUMNS], *(folders or ())}
        names = [field.name for field in rows.schema if field.name in shown_ones or is_media(field.type)]
        rows = rows.slice(0, SAMPLES_PER_REASON).select(names)
        for index, drawn in enumerate(pictures(rows, folders)):
            if not self.needs_sample(step, reason):
                return
            row = {name: shown(rows.column(name), index) for name in rows.column_names}
            self.samples.append({"step": step, "reason": reason, "row": row, "pictures": drawn})

    def measure(self, side: str, table: pa.Table) -> None:
        """Add the lengths of the first string or binary columns of `table` to the histograms."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        measurable = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
        columns = [f.name for f in table.schema if any(check(f.type) for check in measurable)][:MEASURED_COLUMNS]
        for name in columns:
            lengths = pc.binary_length(table.column(name)).drop_null().to_numpy()
            bins = np.bincount(np.frexp(np.maximum(lengths, 1))[1] - 1, minlength=BINS)[:BINS]
            mine = self.histograms.setdefault(name, {}).setdefault(side, [0] * BINS)
            self.histograms[name][side] = [a + int(b) for a, b in zip(mine, bins, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "steps": {k: vars(v) for k, v in self.steps.items()},
            "histograms": self.histograms,
            "samples": self.samples,
            "workers": {k: vars(v) for k, v in self.workers.items()},
            "measures": [[*key, sketch.to_json()] for key, sketch in self.measures.items()],
            "sources": {step: {k: vars(v) for k, v in sources.items()} for step, sources in self.sources.items()},
            "endpoints": [vars(use) for use in self.endpoints.values()],
            "reused": self.reused,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Tally:
        """The inverse of `to_json`."""
        workers = {k: WorkerTally(**v) for k, v in data.get("workers", {}).items()}
        measures = {(step, name, measure): Sketch.from_json(s) for step, name, measure, s in data.get("measures", ())}
        steps = {k: StepTally(**v) for k, v in data["steps"].items()}
        sources = {step: {k: SourceTally(**v) for k, v in found.items()} for step, found in data.get("sources", {}).items()}
        found = cls(steps, data["histograms"], data["samples"], workers, measures, sources, reused=data["reused"])
        for use in data.get("endpoints", ()):
            found.use_endpoint(EndpointTally(**use))
        return found

    def step_reports(self, order: Iterable[str]) -> tuple[StepReport, ...]:
        """The steps of the report, in order; all counts are zero for steps that no row has reached yet."""
        found = ((name, self.steps.get(name, StepTally())) for name in order)
        return tuple(
            StepReport(
                name=name,
                rows_in=t.rows_in,
                rows_out=t.rows_out,
                failed=t.failed,
                unread=t.unread or None,
                seconds=round(t.seconds, 3),
                rejected=_most_frequent_first(t.rejected),
                removed_items=_most_frequent_first(t.removed_items) or None,
            )
            for name, t in found
        )

    def histogram_reports(self) -> tuple[Histogram, ...]:
        """The histograms of the report."""
        return tuple(
            Histogram(column=column, unit="bytes", read=_trim(sides.get("read", [])), written=_trim(sides.get("written", [])))
            for column, sides in self.histograms.items()
        )

    def worker_reports(self) -> tuple[WorkerReport, ...]:
        """The model workers of the report, by name."""
        return tuple(
            WorkerReport(
                name=name,
                device=w.device,
                models=tuple(w.models),
                rows=w.rows,
                busy_seconds=round(w.busy, 3),
                first=_moment(w.first),
                last=_moment(w.last),
            )
            for name, w in sorted(self.workers.items())
        )

    def endpoint_reports(self) -> tuple[EndpointReport, ...]:
        """The endpoints of the report."""
        return tuple(use.report() for _, use in sorted(self.endpoints.items()))

    def sample_reports(self) -> tuple[Sample, ...]:
        """The samples of the report, with pictures as far as they fit."""
        left = PICTURE_CHARACTERS
        found: list[Sample] = []
        for sample in self.samples:
            size = sum(len(picture) for drawn in sample["pictures"].values() for picture in drawn)
            left -= size
            found.append(Sample(**(sample if left >= 0 else {**sample, "pictures": {}})))
        return tuple(found)


def _most_frequent_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trim(counts: list[int]) -> tuple[int, ...]:
    last = max((i for i, c in enumerate(counts) if c), default=-1)
    return tuple(counts[: last + 1])
