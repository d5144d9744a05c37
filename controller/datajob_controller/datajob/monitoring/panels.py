"""The panels of the dashboard of DataJobs."""

from datajob_controller.shared.monitoring.panels import (
    OBJECT,
    Column,
    Panel,
    Query,
    Row,
    accelerators,
    by_object,
    one,
    quantile,
    stat,
)

_RAY_JOB = f'{OBJECT},attempt!=""'
"""Metrics of Ray in the pods of jobs; those of ModelServices have no attempt."""


def _jobs(phases: str) -> str:
    return f'sum(datajob_jobs{{namespace=~"$namespace",phase=~"{phases}"}})'


def _by_reason(metric: str) -> str:
    return f"sum by (step, reason) ({metric}{{{OBJECT}}})"


TABLE = (
    Column("", by_object("datajob_phase", by=", phase, reason")),
    Column("Complete", by_object("datajob_progress_ratio"), "percentunit"),
    Column("ETA", by_object("datajob_eta_seconds"), "s"),
    Column("Read", by_object("datajob_rows", ',count="in"')),
    Column("Written", by_object("datajob_rows", ',count="out"')),
    Column("Rejected", by_object("datajob_rows", ',count="rejected"')),
    Column("Failed rows", by_object("datajob_rows", ',count="failed"')),
    Column("Attempt", by_object("datajob_attempt")),
    Column("Failed attempts", by_object("datajob_failed_attempts")),
    Column("Started", f"{by_object('datajob_started_timestamp_seconds')} * 1000", "dateTimeFromNow"),
)

_OVERVIEW = (
    stat("Running", _jobs("Running"), "short", (0, "blue")),
    stat("Waiting", _jobs("Pending|Starting|Retrying"), "short", (0, "blue")),
    stat(
        "Stalled",
        'count(max by (namespace, name) (datajob_stalled{namespace=~"$namespace"}))',
        "short",
        (0, "green"),
        (1, "orange"),
    ),
    stat(
        "Failed in the last 24 hours",
        f'count((max by (namespace, name) (datajob_phase{{{OBJECT},phase="Failed"}}) == 1) and on (namespace, name) '
        "(time() - max by (namespace, name) (datajob_finished_timestamp_seconds) < 86400))",
        "short",
        (0, "green"),
        (1, "red"),
    ),
    stat(
        "Rows per second",
        f'sum(clamp_min(deriv(datajob_rows{{{OBJECT},count="in"}}[$__rate_interval]), 0) '
        'and on (namespace, name) (datajob_phase{phase="Running"}))',
        "rowsps",
        (0, "blue"),
    ),
    stat("Leaders", "sum(datajob_leader)", "short", (0, "red"), (1, "green")),
)

_PROGRESS = (
    one("DataJobs by phase", 'sum by (phase) (datajob_jobs{namespace=~"$namespace"})', "{{phase}}"),
    one("Progress", by_object("datajob_progress_ratio"), "{{namespace}}/{{name}}", "percentunit"),
    one("Shards", f"sum by (state) (datajob_shards{{{OBJECT}}})", "{{state}}"),
)

_THROUGHPUT = (
    one(
        "Rows read per second",
        f'max by (namespace, name) (clamp_min(deriv(datajob_rows{{{OBJECT},count="in"}}[$__rate_interval]), 0))',
        "{{namespace}}/{{name}}",
        "rowsps",
    ),
    one(
        "Rows written per second",
        f'max by (namespace, name) (clamp_min(deriv(datajob_rows{{{OBJECT},count="out"}}[$__rate_interval]), 0))',
        "{{namespace}}/{{name}}",
        "rowsps",
    ),
    one("Rows", f"sum by (count) (datajob_rows{{{OBJECT}}})", "{{count}}"),
    one("Processing time by step", f"sum by (step) (datajob_step_seconds{{{OBJECT}}})", "{{step}}", "s"),
    one("Size of results", by_object("datajob_output_bytes"), "{{namespace}}/{{name}}", "bytes"),
    one("Duration of runs, median", quantile(0.5, "datajob_run_seconds", ", result"), "{{result}}", "s"),
)

_ERRORS = (
    one(
        "Rejected rows by step and reason", f"sum by (step, reason) (datajob_rejected_rows{{{OBJECT}}})", "{{step}}: {{reason}}"
    ),
    one(
        "Removed items by step and reason", f"sum by (step, reason) (datajob_removed_items{{{OBJECT}}})", "{{step}}: {{reason}}"
    ),
    one("Failed rows", by_object("datajob_rows", ',count="failed"'), "{{namespace}}/{{name}}"),
    one("Failed attempts", by_object("datajob_failed_attempts"), "{{namespace}}/{{name}}"),
    one(
        "Retries by reason",
        'sum by (reason) (increase(datajob_retries_total{namespace=~"$namespace"}[$__range]))',
        "{{reason}}",
    ),
    one(
        "Finished DataJobs by reason",
        'sum by (result, reason) (increase(datajob_finished_total{namespace=~"$namespace"}[$__range]))',
        "{{result}}: {{reason}}",
    ),
    one(
        "DataJobs that wait for a user",
        'max by (namespace, name, reason) (datajob_stalled{namespace=~"$namespace"})',
        "{{namespace}}/{{name}}: {{reason}}",
    ),
)

_CONTROLLER = (
    one("Leader", "datajob_leader", "{{namespace}}/{{pod}}"),
    one("Queue depth", "sum by (namespace) (datajob_queue_depth)", "{{namespace}}"),
    one("DataJobs whose reconciliation fails", "sum by (namespace) (datajob_reconcile_failing)", "{{namespace}}"),
    one("Time in the queue, 99th percentile", quantile(0.99, "datajob_queue_seconds"), "p99", "s"),
    one("Time to reconcile a DataJob, 99th percentile", quantile(0.99, "datajob_reconcile_seconds"), "p99", "s"),
    one("Time from DataJob to RayJob, 99th percentile", quantile(0.99, "datajob_start_seconds"), "p99", "s"),
    one(
        "Requests to the API server",
        "sum by (verb, kind, code) (rate(datajob_api_request_seconds_count[$__rate_interval]))",
        "{{verb}} {{kind}} {{code}}",
        "reqps",
    ),
    one("Events", "sum by (type, reason) (rate(datajob_events_total[$__rate_interval]))", "{{type}} {{reason}}", "ops"),
    one("Restarts of the watches", "sum by (reason) (increase(datajob_watch_restarts_total[$__range]))", "{{reason}}"),
    one("Memory", "process_resident_memory_bytes and on (instance) datajob_leader", "{{pod}}", "bytes"),
    one(
        "CPU cores",
        "rate(process_cpu_seconds_total[$__rate_interval]) and on (instance) datajob_leader",
        "{{pod}}",
    ),
    one("Namespaces that are watched", "min by (namespace) (datajob_namespace_watched)", "{{namespace}}"),
    one("Version", "count by (version) (datajob_build_info)", "{{version}}"),
    one("KubeRay", "max(datajob_kuberay_installed)", "installed"),
)

_RAY = (
    one("Nodes", f"count by (namespace, name) (ray_node_cpu_count{{{_RAY_JOB}}})", "{{namespace}}/{{name}}"),
    one(
        "CPU usage",
        f"avg by (namespace, name) (ray_node_cpu_utilization{{{_RAY_JOB}}}) / 100",
        "{{namespace}}/{{name}}",
        "percentunit",
    ),
    Panel(
        "Memory",
        (
            Query(f"sum by (namespace, name) (ray_node_mem_used{{{_RAY_JOB}}})", "{{namespace}}/{{name}} used"),
            Query(f"sum by (namespace, name) (ray_node_mem_total{{{_RAY_JOB}}})", "{{namespace}}/{{name}} total"),
        ),
        "bytes",
    ),
    one(
        "Object store by location",
        f"sum by (Location) (ray_object_store_memory{{{_RAY_JOB}}})",
        "{{Location}}",
        "bytes",
        "Objects in SPILLED are on disk: workers need more memory, or the disk limits the job.",
    ),
    one("Tasks by state", f"sum by (State) (ray_tasks{{{_RAY_JOB}}})", "{{State}}"),
    one(
        "Unexpected ends of workers",
        "sum by (namespace, name) "
        f"(increase(ray_node_manager_unexpected_worker_failure_total{{{_RAY_JOB}}}[$__rate_interval]))",
        "{{namespace}}/{{name}}",
        description="Workers that Ray lost, for example because they exceeded their memory limit.",
    ),
)


ROWS = (
    Row("Overview", _OVERVIEW),
    Row("Jobs", _PROGRESS, table=TABLE),
    Row("Throughput", _THROUGHPUT),
    Row("Errors", _ERRORS),
    Row("Controller", _CONTROLLER, collapsed=True),
    Row("Ray", _RAY, collapsed=True),
    accelerators("($name)-[0-9a-f]{8}-.*"),
)
