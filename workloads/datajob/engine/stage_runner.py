"""Runs the stages of a run, one after the other: reuses committed shards, runs the others, counts both, reports progress."""

from __future__ import annotations

import time
from contextlib import closing

from datajob.api.report import Report
from datajob.engine.attempt import Attempt
from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.events import Advanced, Note, Progressed, Started, Streamed, Working
from datajob.engine.executors.base import Executor
from datajob.engine.executors.placement import place
from datajob.engine.pipeline import job_stages
from datajob.engine.report.page import render
from datajob.engine.report.report_builder import ReportBuilder
from datajob.engine.stage import Records, Stage
from datajob.engine.worker.task import ShardFailure
from datajob.errors import RowsFailed
from datajob.formats._table_sink import TableWriter
from datajob.formats.storage import BOOKKEEPING

REPORT_SECONDS = 5.0
"""The report is stored at most this often while the run is in progress."""


class StageRunner:
    """Runs the stages of one attempt."""

    def __init__(self, attempt: Attempt, executor: Executor, report: ReportBuilder) -> None:
        self._attempt = attempt
        self._executor = executor
        self._report = report
        self._saved = 0.0
        self.keys: dict[str, set[str]] = {}
        """Keys of the shards of the last stage, by the name of the stage."""
        self.reject_files: set[str] = set()
        """All files with rejected and failed rows."""

    def run(self) -> Records:
        """Run all stages; returns the records of the last one."""
        listing, on_event = self._attempt.listing, self._attempt.options.on_event
        stages = job_stages(self._attempt.context(), self._attempt.plan.cuts, listing.source)
        stage = next(stages)
        on_event(Started(self._report.stages, len(stage.shards), listing.files, listing.size))
        while True:
            records = self._run_stage(stage)
            try:
                stage = stages.send(records)
            except StopIteration as end:
                found: Records = end.value
                return found

    def save(self, report: Report) -> None:
        """Store the report in the sink; the page only once the run has ended."""
        self._saved = time.monotonic()
        sink = self._attempt.sink
        sink.write(f"{BOOKKEEPING}/report.json", report.model_dump_json(by_alias=True, indent=1).encode())
        if report.state != "running":
            sink.write(f"{BOOKKEEPING}/report.html", render(report).encode())

    def _run_stage(self, stage: Stage) -> Records:
        self.keys = {stage.name: {s.key for s in stage.shards}}
        self._report.start_stage(s.weight for s in stage.shards)
        records = self._reuse(stage)
        enough = stage.stop_when is not None and stage.stop_when(records)
        todo = [] if enough else [s for s in stage.shards if s.index not in records]
        available = self._executor.available() if todo else {}
        placement = place(stage.fused, self._attempt.job.spec.resources, available, self._executor.promised)
        with closing(self._executor.run(stage.task, todo, placement)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Note | Working):
                    self._attempt.options.on_event(outcome)
                    continue
                if isinstance(outcome, Streamed):
                    self._report.stream(outcome)
                    self._after_shard()
                    continue
                if isinstance(outcome, Advanced):
                    self._report.advance(outcome, stage.shards[outcome.index].weight)
                    self._after_shard()
                    continue
                record = _record(outcome)
                records[record.index] = record
                self._report.count(record, stage.shards[record.index].weight)
                self._after_shard()
                if stage.stop_when is not None and stage.stop_when(records):
                    break
        if stage.complete_counts is not None:
            stage.complete_counts(records, self._report.tally)
        self.reject_files.update(path for record in records.values() for path in record.reject_files)
        self._report.end_stage()
        self._check_max_ratio()
        self._check_steps()
        return records

    def _reuse(self, stage: Stage) -> Records:
        """Records of earlier attempts whose files still exist. Each record is counted as soon as it is read."""
        there: dict[str, int] | None = None
        reused: Records = {}
        lost: list[str] = []
        ledger = Ledger(self._attempt.sink.path, stage.name)
        for record in ledger.load(stage.shards):
            if record.files and there is None:
                writer = self._attempt.writer
                sink = self._attempt.sink
                there = writer.written_files(sink) if isinstance(writer, TableWriter) else sink.list("", recursive=True)
            if all(there and there.get(f.path) == f.size for f in record.files):
                reused[record.index] = record
                self._report.count(record, stage.shards[record.index].weight, reused=True)
            else:
                lost.append(record.key)
        ledger.forget(lost)
        return reused

    def _after_shard(self) -> None:
        self._check_max_ratio()
        report = self._report.report()
        self._attempt.options.on_event(Progressed(report))
        if time.monotonic() - self._saved > REPORT_SECONDS:
            self.save(report)

    def _check_max_ratio(self) -> None:
        """Raise RowsFailed if more rows failed than the job allows."""
        limit, share = self._attempt.job.spec.errors.max_ratio, self._report.failed_share()
        if share <= limit:
            return
        failed, rows = self._report.progress().rows_failed, self._report.rows_processed()
        name, step = max(self._report.tally.steps.items(), key=lambda item: item[1].failed)
        raise RowsFailed(
            f"{failed} of {rows} rows failed, {share:.2%} of the expected rows: more than "
            f"`errors.maxRatio` allows ({limit:.2%}). Most of them failed in step {name} ({step.failed}). "
            "Fix the step or the data, or increase `errors.maxRatio`."
        )

    def _check_steps(self) -> None:
        """Raise RowsFailed if a step failed on every row."""
        for name, step in self._report.tally.steps.items():
            if step.failed_on_every_row:
                raise RowsFailed(
                    f"Step {name} failed on every row ({step.failed}), so the result would be empty. The job stops under every "
                    f"`errors.policy`. The first row failed: {step.error}. Fix the step or the data."
                )


def _record(outcome: Record | ShardFailure) -> Record:
    """The record of a completed shard. Raises the error of a failed one."""
    if isinstance(outcome, ShardFailure):
        raise outcome.as_error()
    return outcome
