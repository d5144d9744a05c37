"""Adds up records to the report of a run, while it runs and at its end. Knows nothing of how units are run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from workloads import __version__
from workloads.api.report import Output, Progress, Report
from workloads.engine.chain import Step
from workloads.engine.inputs import READ
from workloads.engine.ledger import Record
from workloads.engine.measures import measure_reports
from workloads.engine.outputs import WRITE
from workloads.engine.state import RunState, now
from workloads.engine.tally import Tally


@dataclass
class Meter:
    """The counts of a run so far."""

    state: RunState
    steps: Sequence[Step]
    """The steps in order, without `read` and `write`."""
    phases: int
    """How many phases the run will have."""
    input_files: int = 0
    input_bytes: int = 0
    tally: Tally = field(default_factory=Tally)
    began: float = field(default_factory=time.time)
    """Unix time at which the driver began."""
    first_unit: float | None = None
    """Unix time at which a worker began with the first unit."""
    units_done: int = 0
    units_total: int = 0
    kept: int = 0
    phases_done: int = 0
    _phase_weight: int = 1
    _phase_done: int = 0
    _kept_share: float = 0.0

    def start_phase(self, weights: Iterable[int]) -> None:
        """A phase with units of these weights begins."""
        weights = list(weights)
        self.units_total += len(weights)
        self._phase_weight = max(1, sum(weights))
        self._phase_done = 0

    def end_phase(self) -> None:
        """All units of the phase that are needed are done."""
        self.phases_done += 1
        self._phase_done = 0

    def count(self, record: Record, weight: int, kept: bool = False) -> None:
        """A unit is done, now or (`kept`) by an earlier attempt."""
        self.tally.add(record.tally)
        record.tally = Tally()  # those of thousands of units would fill the memory
        self.units_done += 1
        self.kept += kept
        self._phase_done += weight
        if not kept:
            self.first_unit = min(self.first_unit or record.began, record.began)
        if kept:
            self._kept_share += weight / self._phase_weight / max(1, self.phases)

    def failed_share(self) -> float:
        """Failed rows per row read; while the input is being read, per row that it is expected to have."""
        failed = sum(s.failed for s in self.tally.steps.values())
        done = self._phase_done / self._phase_weight if self.phases_done == 0 else 1.0
        return failed * min(1.0, done) / max(1, self.tally.step(READ).rows_in)

    def progress(self) -> Progress:
        """Totals and the estimate of the end."""
        steps = self.tally.steps.values()
        share = min(1.0, (self.phases_done + self._phase_done / self._phase_weight) / max(1, self.phases))
        worked = share - self._kept_share
        elapsed = time.time() - (self.first_unit or self.began)
        return Progress(
            rows_in=self.tally.step(READ).rows_in,
            rows_out=self.tally.step(WRITE).rows_out,
            rows_rejected=sum(sum(s.rejected.values()) for s in steps),
            rows_failed=sum(s.failed for s in steps),
            shards_done=self.units_done,
            shards_total=self.units_total,
            percent=int(share * 100),
            eta_seconds=int(elapsed / worked * (1 - share)) if worked > 0.01 else None,
        )

    def report(
        self,
        state: Literal["running", "complete", "failed"] = "running",
        message: str | None = None,
        output: Output | None = None,
    ) -> Report:
        """The report as of now."""
        progress = self.progress()
        if state == "complete":
            progress = progress.model_copy(update={"percent": 100, "eta_seconds": 0, "shards_total": progress.shards_done})
        return Report(
            name=self.state.name,
            state=state,
            message=message,
            started=self.state.started,
            finished=None if state == "running" else now(),
            seconds=round(time.time() - self.began, 3),
            startup_seconds=round((self.first_unit or time.time()) - self.began, 3),
            attempt=self.state.attempt,
            shards_kept=self.kept,
            answers_kept=self.tally.recalled,
            version=__version__,
            input_bytes=self.input_bytes,
            input_files=self.input_files,
            progress=progress,
            steps=self.tally.step_reports((READ, *(step.name for step in self.steps), WRITE)),
            output=output,
            histograms=self.tally.histogram_reports(),
            measures=() if state == "running" else measure_reports(self.tally.measures, self.steps),
            samples=self.tally.sample_reports(),
            workers=self.tally.worker_reports(),
        )
