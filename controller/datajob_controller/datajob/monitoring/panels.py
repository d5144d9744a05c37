"""The panels of the dashboard: one row for each concern, and every expression next to its title."""

from typing import NamedTuple

JOB = 'namespace=~"$namespace",name=~"$name"'
_PODS = "($name)-[0-9a-f]{8}-.*"
"""The names of the pods of jobs."""


class Query(NamedTuple):
    """An expression and the legend of its series."""

    expression: str
    legend: str


class Panel(NamedTuple):
    """A graph, or with `stat` a single value."""

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    stat: bool = False
    colors: tuple[tuple[float, str], ...] = ()
    """Thresholds of a stat: from this value on, this color."""
    description: str = ""


class Column(NamedTuple):
    """A column of the table of jobs; an empty title hides it."""

    title: str
    expression: str
    unit: str = "short"


class Row(NamedTuple):
    """A row of panels; `table` puts the table of jobs into it."""

    title: str
    panels: tuple[Panel, ...]
    table: tuple[Column, ...] = ()
    collapsed: bool = False


def _one(title: str, expression: str, legend: str, unit: str = "short", description: str = "") -> Panel:
    return Panel(title, (Query(expression, legend),), unit, description=description)


def _stat(title: str, expression: str, unit: str = "short", *colors: tuple[float, str]) -> Panel:
    return Panel(title, (Query(f"{expression} or vector(0)", title),), unit, stat=True, colors=colors)


def _jobs(phases: str) -> str:
    return f'sum(datajob_jobs{{namespace=~"$namespace",phase=~"{phases}"}})'


def _by_job(metric: str, labels: str = "", by: str = "") -> str:
    return f"max by (namespace, name{by}) ({metric}{{{JOB}{labels}}})"


def _quantile(quantile: float, metric: str, by: str = "", labels: str = "") -> str:
    return f"histogram_quantile({quantile}, sum by (le{by}) (rate({metric}_bucket{labels}[$__rate_interval])))"


TABLE = (
    Column("", _by_job("datajob_phase", by=", phase, reason")),
    Column("Complete", _by_job("datajob_progress_ratio"), "percentunit"),
    Column("ETA", _by_job("datajob_eta_seconds"), "s"),
    Column("Read", _by_job("datajob_rows", ',count="in"')),
    Column("Written", _by_job("datajob_rows", ',count="out"')),
    Column("Rejected", _by_job("datajob_rows", ',count="rejected"')),
    Column("Failed rows", _by_job("datajob_rows", ',count="failed"')),
    Column("Attempt", _by_job("datajob_attempt")),
    Column("Failed attempts", _by_job("datajob_failed_attempts")),
    Column("Started", f"{_by_job('datajob_started_timestamp_seconds')} * 1000", "dateTimeFromNow"),
)

_OVERVIEW = (
    _stat("Running", _jobs("Running"), "short", (0, "blue")),
    _stat("Waiting", _jobs("Pending|Starting|Retrying"), "short", (0, "blue")),
    _stat(
        "Stalled",
        'count(max by (namespace, name) (datajob_stalled{namespace=~"$namespace"}))',
        "short",
        (0, "green"),
        (1, "orange"),
    ),
    _stat(
        "Failed in the last 24 hours",
        f'count((max by (namespace, name) (datajob_phase{{{JOB},phase="Failed"}}) == 1) and on (namespace, name) '
        "(time() - max by (namespace, name) (datajob_finished_timestamp_seconds) < 86400))",
        "short",
        (0, "green"),
        (1, "red"),
    ),
    _stat(
        "Rows per second",
        f'sum(clamp_min(deriv(datajob_rows{{{JOB},count="in"}}[$__rate_interval]), 0) '
        'and on (namespace, name) (datajob_phase{phase="Running"}))',
        "rowsps",
        (0, "blue"),
    ),
    _stat("Leaders", "sum(datajob_leader)", "short", (0, "red"), (1, "green")),
)

_PROGRESS = (
    _one("DataJobs by phase", 'sum by (phase) (datajob_jobs{namespace=~"$namespace"})', "{{phase}}"),
    _one("Progress", _by_job("datajob_progress_ratio"), "{{namespace}}/{{name}}", "percentunit"),
    _one("Shards", f"sum by (state) (datajob_shards{{{JOB}}})", "{{state}}"),
)

_THROUGHPUT = (
    _one(
        "Rows read per second",
        f'max by (namespace, name) (clamp_min(deriv(datajob_rows{{{JOB},count="in"}}[$__rate_interval]), 0))',
        "{{namespace}}/{{name}}",
        "rowsps",
    ),
    _one(
        "Rows written per second",
        f'max by (namespace, name) (clamp_min(deriv(datajob_rows{{{JOB},count="out"}}[$__rate_interval]), 0))',
        "{{namespace}}/{{name}}",
        "rowsps",
    ),
    _one("Rows", f"sum by (count) (datajob_rows{{{JOB}}})", "{{count}}"),
    _one("Processing time by step", f"sum by (step) (datajob_step_seconds{{{JOB}}})", "{{step}}", "s"),
    _one("Size of results", _by_job("datajob_output_bytes"), "{{namespace}}/{{name}}", "bytes"),
    _one("Duration of runs, median", _quantile(0.5, "datajob_run_seconds", ", result"), "{{result}}", "s"),
)

_ERRORS = (
    _one("Rejected rows by step and reason", f"sum by (step, reason) (datajob_rejected_rows{{{JOB}}})", "{{step}}: {{reason}}"),
    _one("Removed items by step and reason", f"sum by (step, reason) (datajob_removed_items{{{JOB}}})", "{{step}}: {{reason}}"),
    _one("Failed rows", _by_job("datajob_rows", ',count="failed"'), "{{namespace}}/{{name}}"),
    _one("Failed attempts", _by_job("datajob_failed_attempts"), "{{namespace}}/{{name}}"),
    _one(
        "Retries by reason",
        'sum by (reason) (increase(datajob_retries_total{namespace=~"$namespace"}[$__range]))',
        "{{reason}}",
    ),
    _one(
        "Finished DataJobs by reason",
        'sum by (result, reason) (increase(datajob_finished_total{namespace=~"$namespace"}[$__range]))',
        "{{result}}: {{reason}}",
    ),
    _one(
        "DataJobs that wait for a user",
        'max by (namespace, name, reason) (datajob_stalled{namespace=~"$namespace"})',
        "{{namespace}}/{{name}}: {{reason}}",
    ),
)

_CONTROLLER = (
    _one("Leader", "datajob_leader", "{{namespace}}/{{pod}}"),
    _one("Queue depth", "sum by (namespace) (datajob_queue_depth)", "{{namespace}}"),
    _one("DataJobs whose reconciliation fails", "sum by (namespace) (datajob_reconcile_failing)", "{{namespace}}"),
    _one("Time in the queue, 99th percentile", _quantile(0.99, "datajob_queue_seconds"), "p99", "s"),
    _one("Time to reconcile a DataJob, 99th percentile", _quantile(0.99, "datajob_reconcile_seconds"), "p99", "s"),
    _one("Time from DataJob to RayJob, 99th percentile", _quantile(0.99, "datajob_start_seconds"), "p99", "s"),
    _one(
        "Requests to the API server",
        "sum by (verb, kind, code) (rate(datajob_api_request_seconds_count[$__rate_interval]))",
        "{{verb}} {{kind}} {{code}}",
        "reqps",
    ),
    _one("Events", "sum by (type, reason) (rate(datajob_events_total[$__rate_interval]))", "{{type}} {{reason}}", "ops"),
    _one("Restarts of the watches", "sum by (reason) (increase(datajob_watch_restarts_total[$__range]))", "{{reason}}"),
    _one("Memory", "process_resident_memory_bytes and on (instance) datajob_leader", "{{pod}}", "bytes"),
    _one(
        "CPU cores",
        "rate(process_cpu_seconds_total[$__rate_interval]) and on (instance) datajob_leader",
        "{{pod}}",
    ),
    _one("Namespaces that are watched", "min by (namespace) (datajob_namespace_watched)", "{{namespace}}"),
    _one("Version", "count by (version) (datajob_build_info)", "{{version}}"),
    _one("KubeRay", "max(datajob_kuberay_installed)", "installed"),
)

_RAY = (
    _one("Nodes", f"count by (namespace, name) (ray_node_cpu_count{{{JOB}}})", "{{namespace}}/{{name}}"),
    _one(
        "CPU usage",
        f"avg by (namespace, name) (ray_node_cpu_utilization{{{JOB}}}) / 100",
        "{{namespace}}/{{name}}",
        "percentunit",
    ),
    Panel(
        "Memory",
        (
            Query(f"sum by (namespace, name) (ray_node_mem_used{{{JOB}}})", "{{namespace}}/{{name}} used"),
            Query(f"sum by (namespace, name) (ray_node_mem_total{{{JOB}}})", "{{namespace}}/{{name}} total"),
        ),
        "bytes",
    ),
    _one(
        "Object store by location",
        f"sum by (Location) (ray_object_store_memory{{{JOB}}})",
        "{{Location}}",
        "bytes",
        "Objects in SPILLED are on disk: workers need more memory, or the disk limits the job.",
    ),
    _one("Tasks by state", f"sum by (State) (ray_tasks{{{JOB}}})", "{{State}}"),
    _one(
        "Unexpected ends of workers",
        f"sum by (namespace, name) (increase(ray_node_manager_unexpected_worker_failure_total{{{JOB}}}[$__rate_interval]))",
        "{{namespace}}/{{name}}",
        description="Workers that Ray lost, for example because they exceeded their memory limit.",
    ),
)


def _gpu(metric: str) -> str:
    """A metric of the DCGM exporter, whose labels depend on `honorLabels` of its monitor."""
    own = f'sum by (namespace, pod, gpu) ({metric}{{namespace=~"$namespace",pod=~"{_PODS}"}})'
    exported = f'{metric}{{exported_namespace=~"$namespace",exported_pod=~"{_PODS}"}}'
    renamed = f'label_replace({exported}, "pod", "$1", "exported_pod", "(.*)")'
    return f'{own} or sum by (namespace, pod, gpu) (label_replace({renamed}, "namespace", "$1", "exported_namespace", "(.*)"))'


def _npu(metric: str) -> str:
    """A metric of the NPU exporter."""
    return f'sum by (namespace, pod_name, id) ({metric}{{namespace=~"$namespace",pod_name=~"{_PODS}"}})'


_ACCELERATORS = (
    Panel(
        "Utilization",
        (
            Query(f"({_gpu('DCGM_FI_DEV_GPU_UTIL')}) / 100", "{{pod}} GPU {{gpu}}"),
            Query(f"{_npu('npu_chip_info_utilization')} / 100", "{{pod_name}} NPU {{id}}"),
        ),
        "percentunit",
    ),
    Panel(
        "Memory in use",
        (
            Query(f"({_gpu('DCGM_FI_DEV_FB_USED')}) * 1048576", "{{pod}} GPU {{gpu}}"),
            Query(f"{_npu('npu_chip_info_hbm_used_memory')} * 1048576", "{{pod_name}} NPU {{id}}"),
        ),
        "bytes",
    ),
    Panel("Power", (Query(_gpu("DCGM_FI_DEV_POWER_USAGE"), "{{pod}} GPU {{gpu}}"),), "watt"),
)

ROWS = (
    Row("Overview", _OVERVIEW),
    Row("Jobs", _PROGRESS, table=TABLE),
    Row("Throughput", _THROUGHPUT),
    Row("Errors", _ERRORS),
    Row("Controller", _CONTROLLER, collapsed=True),
    Row("Ray", _RAY, collapsed=True),
    Row("Accelerators (DCGM exporter, NPU exporter)", _ACCELERATORS, collapsed=True),
)
