"""The report of a run: what is stored as `report.json` with the result, and the part of it that the status shows."""

from typing import Literal

from pydantic import Field

from datajob.parameters import Parameters

READ = "read"
"""Name of the first entry in every report's steps: reading the sources."""
WRITE = "write"
"""Name of the last entry: writing the sink."""


class StepReport(Parameters):
    """Counts of one step over all shards."""

    name: str = Field(
        description="Operator key, with `-2`, `-3` for repeated steps; `read` and `write` are the first and last."
    )
    rows_in: int = Field(default=0, ge=0, description="Number of rows that reached the step.")
    rows_out: int = Field(default=0, ge=0, description="Number of rows that the step passed on.")
    rejected: dict[str, int] = Field(default={}, description="Number of rejected rows, by reason.")
    removed_items: dict[str, int] | None = Field(
        default=None,
        description="Number of items that `keep: each` removed from lists of rows that are kept, by reason; absent if none.",
    )
    failed: int = Field(default=0, ge=0, description="Number of failed rows.")
    unread: int | None = Field(
        default=None,
        ge=0,
        description="Number of rows that were not processed further because a `limit` was reached; absent if none.",
    )
    seconds: float = Field(default=0.0, ge=0, description="Processing time in seconds, summed over all workers.")

    @property
    def rows_added(self) -> int:
        """Rows that the step made in addition to those that reached it."""
        return max(0, self.rows_out + sum(self.rejected.values()) + self.failed + (self.unread or 0) - self.rows_in)


class SourceReport(Parameters):
    """Rows and tokens of one source, such as a crawl or a collection of code, as a step counted them."""

    step: str = Field(description="Name of the step, or `write`.")
    source: str = Field(description="Value of the column with the source; `(all)` without such a column.")
    rows: int = Field(ge=0, description="Number of rows; of a mixture, with repetition.")
    tokens: int | None = Field(default=None, ge=0, description="Number of tokens; absent if the step does not count them.")
    share: float = Field(ge=0, le=1, description="Share of the source in all tokens or, if they are not counted, rows.")
    requested: float | None = Field(default=None, ge=0, le=1, description="Share that a mixture requests.")
    available: int | None = Field(
        default=None, ge=0, description="Tokens or rows of the source that a mixture could take without repetition."
    )
    epochs: float | None = Field(default=None, ge=0, description="How often a mixture contains the source, on average.")


class Progress(Parameters):
    """Progress of a run."""

    rows_in: int = Field(default=0, ge=0, description="Number of rows read.")
    rows_out: int = Field(default=0, ge=0, description="Number of rows written.")
    rows_rejected: int = Field(default=0, ge=0, description="Number of rows rejected by steps.")
    rows_failed: int = Field(default=0, ge=0, description="Number of failed rows.")
    shards_done: int = Field(default=0, ge=0, description="Number of committed shards.")
    shards_total: int = Field(default=0, ge=0, description="Number of shards in all stages planned so far.")
    percent: int = Field(default=0, ge=0, le=100, description="Percentage of the work that is complete.")
    eta_seconds: int | None = Field(default=None, ge=0, description="Estimated time to completion, in seconds.")
    rows_per_second: float | None = Field(
        default=None, ge=0, description="Current speed of a stage that runs models, in rows per second."
    )
    bottleneck: str | None = Field(
        default=None,
        description="What limits the speed of a stage that runs models: the name of a step whose model is busy, or `cpu`.",
    )


class Output(Parameters):
    """Result of a run."""

    manifest: str = Field(description="Path of the manifest, the list of the files that make up the result.")
    files: int = Field(default=0, ge=0, description="Number of files in the result.")
    bytes: int = Field(default=0, ge=0, description="Total size of the files, in bytes.")
    rows: int = Field(default=0, ge=0, description="Number of rows in the files.")


class Histogram(Parameters):
    """Length distribution of a column, as counts per power of two."""

    column: str = Field(description="Name of a string or binary column.")
    unit: Literal["characters", "bytes"] = Field(description="Unit of the lengths.")
    read: tuple[int, ...] = Field(
        description="Number of rows read, by length: entry i counts lengths in [2^i, 2^(i+1)); entry 0 counts 0 and 1."
    )
    written: tuple[int, ...] = Field(description="Number of rows written, by length.")


class Threshold(Parameters):
    """A limit of a filter, compared with its default and with a limit derived from the data."""

    parameter: str = Field(description="Parameter of the filter, such as `minWords`.")
    side: Literal["min", "max"] = Field(description="`min` rejects smaller values, `max` rejects larger values.")
    limit: float = Field(description="Current limit: the value in the job, or the default if the job does not use the filter.")
    rejected: int = Field(ge=0, description="Number of rows that the limit rejects. Values within 0.8% of it do not count.")
    default: float | None = Field(default=None, description="Default limit, if the parameter has one.")
    default_rejected: int | None = Field(default=None, ge=0, description="Number of rows that the default limit rejects.")
    suggested: float = Field(description="Suggested limit: the 1st or 99th percentile, rounded outward to two digits.")
    suggested_rejected: int = Field(ge=0, description="Number of rows that the suggested limit rejects.")


class Measure(Parameters):
    """Distribution of a measure over the rows that an `analyze` step observed."""

    step: str = Field(description="Name of the step that observed the rows.")
    of: str = Field(description="Filter that the measure belongs to: a step of the job or an operator; or `columns`.")
    in_job: bool = Field(description="Whether that filter is a step of the job.")
    name: str = Field(description="Name of the measure or column.")
    rows: int = Field(ge=0, description="Number of rows with a value.")
    missing: int = Field(ge=0, description="Number of rows without a value: null, not a number, or nothing to measure.")
    lowest: float = Field(description="Smallest value, exact.")
    highest: float = Field(description="Largest value, exact.")
    quantiles: dict[str, float] = Field(
        description="Percentiles `p1`, `p5`, `p25`, `p50`, `p75`, `p95` and `p99`, with an error below 0.8%."
    )
    edges: tuple[float, ...] = Field(description="Edges of the histogram bins, which exclude 0.5% of the rows at each end.")
    counts: tuple[int, ...] = Field(description="Number of rows in each bin.")
    thresholds: tuple[Threshold, ...] = Field(default=(), description="Limits of the filter for this measure.")


class WorkerReport(Parameters):
    """A worker process that ran models."""

    name: str = Field(description="Host name and process ID.")
    device: str = Field(description="`cpu`, `gpu` or `npu`; `any` if the process selected the device itself.")
    models: tuple[str, ...] = Field(
        default=(), description="Models of the process: engine and version, revision, type of the weights."
    )
    rows: int = Field(ge=0, description="Number of rows that its models processed.")
    busy_seconds: float = Field(default=0.0, ge=0, description="Time during which its models were busy, in seconds.")
    first: str = Field(description="RFC 3339 time at which the first batch started.")
    last: str = Field(description="RFC 3339 time at which the last batch completed.")


class PoolReport(Parameters):
    """Processes of the current stage, if it runs models: those with one model, or those that run everything else."""

    name: str = Field(
        description="Names of the steps whose models the processes hold on accelerators; `cpu`: the processes that read, write "
        "and run all other steps."
    )
    device: str = Field(description="`cpu`, `gpu` or `npu`.")
    processes: int = Field(ge=0, description="Number of processes that have started.")
    starting: int = Field(default=0, ge=0, description="Number of processes that are starting or wait for capacity.")
    rows: int = Field(default=0, ge=0, description="Number of rows that they processed in this stage.")
    rows_per_second: float = Field(
        default=0.0,
        ge=0,
        description="Number of rows per second: in the recent past or, after the end of the stage, on average.",
    )
    queued: int = Field(default=0, ge=0, description="Number of rows that wait for the processes.")
    busy: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Share of the time during which they had work, in the same period as `rowsPerSecond`.",
    )
    waiting_for: str | None = Field(default=None, description="What the processes wait for if they are not busy.")


class EndpointReport(Parameters):
    """Requests to an endpoint, in all attempts: those of committed shards, and those whose answers were reused."""

    endpoint: str = Field(description="URL of the endpoint, or name of the ModelService.")
    model: str | None = Field(default=None, description="Name of the model; absent if it is the only one of the endpoint.")
    requests: int = Field(default=0, ge=0, description="Number of requests, including retries.")
    retries: int = Field(default=0, ge=0, description="Number of requests that were repeated.")
    input_tokens: int = Field(default=0, ge=0, description="Number of tokens of prompts, as counted by the endpoint.")
    output_tokens: int = Field(default=0, ge=0, description="Number of tokens of answers, as counted by the endpoint.")
    wait_seconds: float = Field(
        default=0.0, ge=0, description="Time before requests were repeated, in seconds, summed over all requests."
    )
    cost: float | None = Field(default=None, ge=0, description="Cost of the tokens; absent if the job sets no `price`.")


class Sample(Parameters):
    """An example row with shortened values."""

    step: str = Field(description="Name of the step that rejected the row, or `write`.")
    reason: str | None = Field(default=None, description="Reason for the rejection; absent if the row was written.")
    row: dict[str, str] = Field(description="Column values as text.")
    pictures: dict[str, tuple[str, ...]] = Field(
        default={}, description="Small pictures of images, audio and video, by column, as data URIs."
    )


class Report(Parameters):
    """Report of a run, as stored in `report.json`."""

    name: str = Field(description="Name of the job.")
    state: Literal["running", "complete", "failed"] = Field(description="State of the run.")
    message: str | None = Field(default=None, description="Reason for the failure.")
    exit_code: int | None = Field(
        default=None,
        ge=0,
        le=255,
        description="Exit code of a failed run: 2 to 5 if the job or its data must be fixed, 6 if the storage is unavailable, "
        "7 if the workers died, 8 if another run is writing to the sink, 11 if an endpoint is unavailable.",
    )
    started: str = Field(description="RFC 3339 time at which the first attempt started.")
    finished: str | None = Field(default=None, description="RFC 3339 time at which the run ended.")
    seconds: float = Field(default=0, ge=0, description="Wall-clock duration of this attempt, in seconds.")
    startup_seconds: float = Field(default=0, ge=0, description="Part of that time before the first shard started.")
    attempt: int = Field(default=1, ge=1, description="Number of this attempt, starting at 1.")
    shards_reused: int = Field(default=0, ge=0, description="Number of shards that an earlier attempt committed.")
    model_outputs_reused: int = Field(
        default=0,
        ge=0,
        description="Number of rows whose model outputs were reused from shards that an attempt did not finish.",
    )
    version: str = Field(description="Version of DataJob.")
    log: str | None = Field(default=None, description="Path of the log of the driver, on a cluster.")
    input_bytes: int = Field(default=0, ge=0, description="Size of the input files, in bytes.")
    input_files: int = Field(default=0, ge=0, description="Number of input files.")
    progress: Progress = Field(default=Progress(), description="Totals and progress.")
    steps: tuple[StepReport, ...] = Field(default=(), description="Counts of each step, in order, from `read` to `write`.")
    sources: tuple[SourceReport, ...] = Field(
        default=(), description="Rows and tokens of each source, by the step that counted them: `mix`, or steps on tokens."
    )
    output: Output | None = Field(default=None, description="Result of the run.")
    histograms: tuple[Histogram, ...] = Field(default=(), description="Length distributions of the rows read and written.")
    measures: tuple[Measure, ...] = Field(
        default=(), description="Distributions that `analyze` steps measured; present once the run has ended."
    )
    samples: tuple[Sample, ...] = Field(default=(), description="Examples of rejected and written rows.")
    workers: tuple[WorkerReport, ...] = Field(default=(), description="Worker processes that ran models.")
    pools: tuple[PoolReport, ...] = Field(
        default=(), description="Processes of the last stage that ran models, and how busy they were."
    )
    endpoints: tuple[EndpointReport, ...] = Field(default=(), description="Requests to endpoints of models.")
