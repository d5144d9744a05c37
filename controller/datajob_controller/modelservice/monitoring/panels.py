"""The panels of the dashboard of ModelServices.

Metrics with the prefix `datajob_modelservice_` come from the controller, those with `datajob_service_` from the applications.
"""

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

_KEYS = 10
"""Number of API keys in a graph: the busiest ones."""
_RAY_SERVICE = f'{OBJECT},attempt=""'
"""Metrics of Ray in the pods of services; those of DataJobs have an attempt."""
_SERVICE = "{{namespace}}/{{name}}"
_FAILED = ',status=~"5.."'


def _rate(metric: str, by: str = "", labels: str = "") -> str:
    """Sum of the rates of a counter in all replicas, in total or by some labels."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate(datajob_service_{metric}{{{OBJECT}{labels}}}[$__rate_interval]))"


def _gauge(function: str, metric: str) -> str:
    """A gauge of each service, over all its replicas."""
    return f"{function} by (namespace, name) (datajob_service_{metric}{{{OBJECT}}})"


def _services(metric: str, labels: str) -> str:
    """The number of services with a condition or in some phases."""
    return f"count({by_object(f'datajob_modelservice_{metric}', labels)})"


def _percentiles(title: str, metric: str, by: str = "") -> Panel:
    """The median and high percentiles of a histogram."""
    labels, of = f"{{{OBJECT}}}", f" {{{{{by}}}}}" if by else ""
    grouped = f", {by}" if by else ""
    queries = (
        Query(quantile(value, f"datajob_service_{metric}", grouped, labels), f"p{value * 100:g}{of}")
        for value in (0.5, 0.95, 0.99)
    )
    return Panel(title, tuple(queries), "s")


TABLE = (
    Column("", by_object("datajob_modelservice_phase", by=", phase, reason")),
    Column("Ready", by_object("datajob_modelservice_ready_replicas")),
    Column("Replicas", by_object("datajob_modelservice_replicas")),
    Column("Requests per second", _rate("requests_total", "namespace, name"), "reqps"),
    Column("Failed", _rate("requests_total", "namespace, name", _FAILED), "reqps"),
    Column("Tokens per second", _rate("completion_tokens_total", "namespace, name")),
    Column(
        "First token, p95",
        quantile(0.95, "datajob_service_time_to_first_token_seconds", ", namespace, name", f"{{{OBJECT}}}"),
        "s",
    ),
)

_OVERVIEW = (
    stat("Available", _services("condition", ',condition="Available"'), "short", (0, "green")),
    stat("Starting", _services("phase", ',phase=~"Pending|Starting"'), "short", (0, "blue")),
    stat("Stalled", _services("condition", ',condition="Stalled"'), "short", (0, "green"), (1, "red")),
    stat("Requests per second", _rate("requests_total"), "reqps", (0, "blue")),
    stat(
        "Failed requests",
        f"{_rate('requests_total', labels=_FAILED)} / {_rate('requests_total')}",
        "percentunit",
        (0, "green"),
        (0.01, "orange"),
        (0.05, "red"),
    ),
    stat("Generated tokens per second", _rate("completion_tokens_total"), "short", (0, "blue")),
)

_AVAILABILITY = (
    one("ModelServices by phase", f"count by (phase) ({by_object('datajob_modelservice_phase', by=', phase')})", "{{phase}}"),
    Panel(
        "Replicas",
        (
            Query(by_object("datajob_modelservice_ready_replicas"), f"{_SERVICE} ready"),
            Query(by_object("datajob_modelservice_replicas"), f"{_SERVICE} replicas"),
        ),
    ),
    one("Loaded models", _gauge("sum", "model_ready"), _SERVICE, description="Replicas whose model can answer requests."),
    one(
        "Models by commit",
        f"count by (namespace, name, revision) (datajob_service_model_revision{{{OBJECT}}} == 1)",
        "{{namespace}}/{{name}} {{revision}}",
    ),
)

_REQUESTS = (
    one("Requests by status", _rate("requests_total", "status"), "{{status}}", "reqps"),
    one("Requests by operation", _rate("requests_total", "operation"), "{{operation}}", "reqps"),
    one("Rejected requests by reason", _rate("rejected_total", "reason"), "{{reason}}", "reqps"),
    one("Requests of the busiest API keys", f"topk({_KEYS}, {_rate('requests_total', 'key')})", "{{key}}", "reqps"),
    Panel(
        "Tokens per second",
        (
            Query(_rate("prompt_tokens_total"), "prompts"),
            Query(_rate("completion_tokens_total"), "answers"),
        ),
    ),
    one("Tokens of the busiest API keys", f"topk({_KEYS}, {_rate('completion_tokens_total', 'key')})", "{{key}}"),
)

_LATENCY = (
    _percentiles("Time to the first token", "time_to_first_token_seconds"),
    _percentiles("Time per token", "time_per_token_seconds"),
    _percentiles("Duration of requests by operation", "request_seconds", "operation"),
)

_LOAD = (
    one("Requests in progress", _gauge("sum", "requests_in_progress"), _SERVICE),
    one("Tokens that wait", _gauge("sum", "queued_tokens"), _SERVICE),
    one(
        "Age of the oldest waiting request",
        _gauge("max", "queue_age_seconds"),
        _SERVICE,
        "s",
        "If this grows, the service needs more replicas, or lower limits.",
    ),
    Panel(
        "Fill of batches",
        (
            Query(_gauge("avg", "batch_fill_ratio"), f"{_SERVICE} average"),
            Query(_gauge("max", "batch_fill_ratio"), f"{_SERVICE} maximum"),
        ),
        "percentunit",
        description="Answers that are being generated, as a fraction of what a replica generates at the same time.",
    ),
)

_RAY = (
    one("Nodes", f"count by (namespace, name) (ray_node_cpu_count{{{_RAY_SERVICE}}})", _SERVICE),
    one("CPU usage", f"avg by (namespace, name) (ray_node_cpu_utilization{{{_RAY_SERVICE}}}) / 100", _SERVICE, "percentunit"),
    Panel(
        "Memory",
        (
            Query(f"sum by (namespace, name) (ray_node_mem_used{{{_RAY_SERVICE}}})", f"{_SERVICE} used"),
            Query(f"sum by (namespace, name) (ray_node_mem_total{{{_RAY_SERVICE}}})", f"{_SERVICE} total"),
        ),
        "bytes",
    ),
    one(
        "Healthy replicas of Ray Serve",
        f"sum by (namespace, name) (ray_serve_deployment_replica_healthy{{{_RAY_SERVICE}}})",
        _SERVICE,
    ),
)

ROWS = (
    Row("Overview", _OVERVIEW),
    Row("Services", _AVAILABILITY, table=TABLE),
    Row("Requests", _REQUESTS),
    Row("Latency", _LATENCY),
    Row("Load", _LOAD),
    Row("Ray", _RAY, collapsed=True),
    accelerators("($name)-[a-z0-9]{5}-.*"),
)
