"""What a run says of itself: the report beside the sink, and the part of it that goes into the status."""

from typing import Literal

from pydantic import Field

from datajob.parameters import Parameters

READ = "read"
"""Name of the first step of every report: reading the sources."""
WRITE = "write"
"""Name of the last: writing the sink."""


class StepReport(Parameters):
    """Counts of one step over all shards."""

    name: str = Field(description="Key of the operator, with `-2`, `-3` for repeats; `read` and `write` are the ends.")
    rows_in: int = Field(default=0, ge=0, description="Rows that reached the step.")
    rows_out: int = Field(default=0, ge=0, description="Rows that left it.")
    rejected: dict[str, int] = Field(default={}, description="Rows dropped, by reason.")
    failed: int = Field(default=0, ge=0, description="Rows that made it fail.")
    seconds: float = Field(default=0.0, ge=0, description="Processor-bound seconds, summed over workers.")


class Progress(Parameters):
    """How far a run is."""

    rows_in: int = Field(default=0, ge=0, description="Rows read.")
    rows_out: int = Field(default=0, ge=0, description="Rows written.")
    rows_rejected: int = Field(default=0, ge=0, description="Rows dropped by steps.")
    rows_failed: int = Field(default=0, ge=0, description="Rows that made a step fail.")
    shards_done: int = Field(default=0, ge=0, description="Units of work committed.")
    shards_total: int = Field(default=0, ge=0, description="Units of work of all phases known so far.")
    percent: int = Field(default=0, ge=0, le=100, description="Share of the work done.")
    eta_seconds: int | None = Field(default=None, ge=0, description="Estimated seconds to the end.")


class Output(Parameters):
    """What was written."""

    manifest: str = Field(description="Path of the manifest: the list of the files that make up the result.")
    files: int = Field(default=0, ge=0, description="Files of the result.")
    bytes: int = Field(default=0, ge=0, description="Their size.")
    rows: int = Field(default=0, ge=0, description="Their rows.")


class Histogram(Parameters):
    """How a length is distributed: counts per power of two."""

    column: str = Field(description="Column of strings or binary.")
    unit: Literal["characters", "bytes"] = Field(description="Unit of the length.")
    read: tuple[int, ...] = Field(description="Rows read with a length in [2^i, 2^(i+1)); index 0 counts 0 and 1.")
    written: tuple[int, ...] = Field(description="The same for rows written.")


class Threshold(Parameters):
    """A limit that a filter has for a measure, and one that would suit the data."""

    parameter: str = Field(description="Parameter of the filter, such as `minWords`.")
    side: Literal["min", "max"] = Field(description="`min` drops rows that measure less, `max` those that measure more.")
    limit: float = Field(description="Its value: the job's where the filter is a step of it, else the default.")
    dropped: int = Field(ge=0, description="Rows beyond it. Those less than 0.8 % away from the limit do not count.")
    default: float | None = Field(default=None, description="The parameter's default; absent where it has none.")
    default_dropped: int | None = Field(default=None, ge=0, description="Rows beyond the default.")
    suggested: float = Field(description="The 1st or 99th percentile, rounded away from the rows to two digits.")
    suggested_dropped: int = Field(ge=0, description="Rows beyond the suggestion.")


class Measure(Parameters):
    """How a measure is distributed over the rows that a step observed."""

    step: str = Field(description="Step that observed.")
    of: str = Field(description="Filter that the measure belongs to: a step of the job or an operator; or `columns`.")
    in_job: bool = Field(description="True when that filter is a step of the job.")
    name: str = Field(description="Name of the measure, or of the column.")
    rows: int = Field(ge=0, description="Rows that have the measure.")
    missing: int = Field(ge=0, description="Rows that have none: null, no number, or nothing to measure.")
    lowest: float = Field(description="Smallest value, exact.")
    highest: float = Field(description="Largest value, exact.")
    quantiles: dict[str, float] = Field(description="`p1`, `p5`, `p25`, `p50`, `p75`, `p95`, `p99`; less than 0.8 % off.")
    edges: tuple[float, ...] = Field(description="Edges of the histogram's bins, which leave out 0.5 % at each end.")
    counts: tuple[int, ...] = Field(description="Rows in each bin.")
    thresholds: tuple[Threshold, ...] = Field(default=(), description="Limits that the filter has for it.")


class WorkerReport(Parameters):
    """A process that ran models."""

    name: str = Field(description="Host and process id.")
    device: str = Field(description="`cpu`, `gpu` or `npu`; `any` where the process chose itself.")
    models: tuple[str, ...] = Field(default=(), description="Its models: engine and version, revision, type of the weights.")
    rows: int = Field(ge=0, description="Rows that went through its models.")
    busy_seconds: float = Field(default=0.0, ge=0, description="Seconds in which its models were at work.")
    first: str = Field(description="RFC 3339 time at which its first rows went in.")
    last: str = Field(description="RFC 3339 time at which its last rows came out.")


class Sample(Parameters):
    """A row as an example, values shortened."""

    step: str = Field(description="Step that dropped it, or `write`.")
    reason: str | None = Field(default=None, description="Why; absent for kept rows.")
    row: dict[str, str] = Field(description="Column values as text.")


class Report(Parameters):
    """`report.json`: everything a person may ask about a finished run."""

    name: str = Field(description="Name of the job.")
    state: Literal["running", "complete", "failed"] = Field(description="Where the run stands.")
    message: str | None = Field(default=None, description="Why it failed.")
    exit_code: int | None = Field(
        default=None,
        ge=0,
        le=255,
        description="Exit code of a run that failed: 2 to 5: the job or its data are wrong; 6: the store does not answer.",
    )
    started: str = Field(description="RFC 3339 time of the first start.")
    finished: str | None = Field(default=None, description="RFC 3339 time of the end.")
    seconds: float = Field(default=0, ge=0, description="Wall-clock seconds of this attempt.")
    startup_seconds: float = Field(default=0, ge=0, description="Of those, before the first shard began.")
    attempt: int = Field(default=1, ge=1, description="How often the run was started.")
    shards_reused: int = Field(default=0, ge=0, description="Units of work found done by an earlier attempt.")
    answers_reused: int = Field(
        default=0, ge=0, description="Rows of other shards whose model answers were found, made by an earlier attempt."
    )
    version: str = Field(description="Version of the engine.")
    input_bytes: int = Field(default=0, ge=0, description="Size of the input files.")
    input_files: int = Field(default=0, ge=0, description="Number of input files.")
    progress: Progress = Field(default=Progress(), description="Totals.")
    steps: tuple[StepReport, ...] = Field(default=(), description="Counts per step, in order, from `read` to `write`.")
    output: Output | None = Field(default=None, description="What was written.")
    histograms: tuple[Histogram, ...] = Field(default=(), description="Length histograms before and after.")
    measures: tuple[Measure, ...] = Field(default=(), description="What `analyze` steps found; only at the end of a run.")
    samples: tuple[Sample, ...] = Field(default=(), description="Examples of dropped and kept rows.")
    workers: tuple[WorkerReport, ...] = Field(default=(), description="Processes that ran models; empty when no step has one.")
