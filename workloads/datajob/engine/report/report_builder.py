"""Adds up commit records to the report of a run, while it is running and at its end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from datajob import __version__
from datajob.api.report import READ, WRITE, Output, PoolReport, Progress, Report
from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import RunState, now
from datajob.engine.counts.sources import source_reports
from datajob.engine.counts.tally import Tally
from datajob.engine.events import Advanced, Streamed
from datajob.engine.plan.steps import Step
from datajob.engine.report.distributions import measure_reports
from datajob.operators.base import Operator


@dataclass
class ReportBuilder:
    """The counts of a run so far."""

    state: RunState
    steps: Sequence[Step[Operator]]
    """The steps in order, without `read` and `write`."""
    stages: int
    """Maximum number of stages of the run."""
    input_files: int = 0
    input_bytes: int = 0
    tally: Tally = field(default_factory=Tally)
    began: float = field(default_factory=time.time)
    """Unix time at which the driver started."""
    first_shard: float | None = None
    """Unix time at which a worker started the first shard."""
    pools: tuple[PoolReport, ...] = ()
    """How busy the processes of the last stage with models are."""
    streamed: Streamed | None = None
    """The same for the current stage; None if it runs no models."""
    shards_done: int = 0
    shards_total: int = 0
    shards_reused: int = 0
    stages_done: int = 0
    _stage_weight: int = 1
    _stage_done: int = 0
    _advanced: dict[int, float] = field(default_factory=dict)
    """The part of the weight of shards that is complete, by index, for shards that are not committed."""
    _reused_share: float = 0.0

    def start_stage(self, weights: Iterable[int]) -> None:
        """Start a stage with shards of these weights."""
        weights = list(weights)
        self.shards_total += len(weights)
        self._stage_weight = max(1, sum(weights))
        self._stage_done = 0

    def end_stage(self) -> None:
        """End the stage: all shards that are needed are complete."""
        self.stages_done += 1
        self.streamed = None
        self._stage_done = 0
        self._advanced = {}

    def count(self, record: Record, weight: int, reused: bool = False) -> None:
        """Count a shard that was completed by this attempt or, if `reused`, by an earlier one."""
        self.tally.add(record.tally)
        record.tally = Tally()  # the tallies of thousands of shards would fill the memory
        self.shards_done += 1
        self.shards_reused += reused
        self._stage_done += weight
        self._advanced.pop(record.index, None)
        if not reused:
            self.first_shard = min(self.first_shard or record.began, record.began)
        if reused:
            self._reused_share += weight / self._stage_weight / max(1, self.stages)

    def advance(self, advanced: Advanced, weight: int) -> None:
        """Take note of how much of a shard of this weight is complete."""
        self._advanced[advanced.index] = max(advanced.share * weight, self._advanced.get(advanced.index, 0.0))

    def stream(self, streamed: Streamed) -> None:
        """Take note of how busy the processes of the current stage are."""
        self.streamed, self.pools = streamed, streamed.pools

    def rows_processed(self) -> int:
        """Rows that were read or added by steps. Each of them fails at most once."""
        return self.tally.step(READ).rows_in + sum(max(0, -step.missing) for step in self.tally.steps.values())

    def failed_share(self) -> float:
        """Failed rows as a share of all rows or, while the input is being read, of the rows expected."""
        failed = sum(s.failed for s in self.tally.steps.values())
        done = self._stage_done / self._stage_weight if self.stages_done == 0 else 1.0
        return failed * min(1.0, done) / max(1, self.rows_processed())

    def progress(self) -> Progress:
        """Totals and the estimated time to completion."""
        steps = self.tally.steps.values()
        done = self._stage_done + sum(self._advanced.values())
        share = min(1.0, (self.stages_done + done / self._stage_weight) / max(1, self.stages))
        worked = share - self._reused_share
        elapsed = time.time() - (self.first_shard or self.began)
        return Progress(
            rows_in=self.tally.step(READ).rows_in,
            rows_out=self.tally.step(WRITE).rows_out,
            rows_rejected=sum(sum(s.rejected.values()) for s in steps),
            rows_failed=sum(s.failed for s in steps),
            shards_done=self.shards_done,
            shards_total=self.shards_total,
            percent=int(share * 100),
            eta_seconds=int(elapsed / worked * (1 - share)) if worked > 0.01 else None,
            rows_per_second=self.streamed.rows_per_second if self.streamed else None,
            bottleneck=self.streamed.bottleneck if self.streamed else None,
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
            startup_seconds=round((self.first_shard or time.time()) - self.began, 3),
            attempt=self.state.attempt,
            shards_reused=self.shards_reused,
            model_outputs_reused=self.tally.reused,
            version=__version__,
            input_bytes=self.input_bytes,
            input_files=self.input_files,
            progress=progress,
            steps=self.tally.step_reports((READ, *(step.name for step in self.steps), WRITE)),
            sources=source_reports(self.tally.sources, (*(step.name for step in self.steps), WRITE)),
            output=output,
            histograms=self.tally.histogram_reports(),
            measures=() if state == "running" else measure_reports(self.tally.measures, self.steps),
            samples=self.tally.sample_reports(),
            workers=self.tally.worker_reports(),
            pools=self.pools,
            endpoints=self.tally.endpoint_reports(),
        )
