"""Generates manifests/monitoring: `python -m datajob_controller.datajob.monitoring [--check]`.

All expressions of the dashboard and the alerts are defined here, next to the metrics that they query.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from datajob.api.contract import CONTROLLER, LABEL_MANAGED_BY

FOLDER = Path(__file__).parents[3] / "manifests" / "monitoring"
LABELS = {"app.kubernetes.io/name": CONTROLLER, "app.kubernetes.io/part-of": "datajob-operator"}
RUNBOOK = "https://github.com/datajob/datajob/blob/main/docs/runbooks/alerts.md"


class Panel(NamedTuple):
    """A graph of the dashboard."""

    title: str
    expression: str
    legend: str
    unit: str = "short"


class Alert(NamedTuple):
    """An alert; its runbook is the section of the same name."""

    name: str
    expression: str
    minutes: int
    severity: str
    summary: str


_JOB = 'namespace=~"$namespace",name=~"$name"'

PANELS = (
    Panel("DataJobs by phase", 'sum by (phase) (datajob_jobs{namespace=~"$namespace"})', "{{phase}}"),
    Panel("Progress", f"datajob_progress_ratio{{{_JOB}}}", "{{namespace}}/{{name}}", "percentunit"),
    Panel("Rows", f"sum by (count) (datajob_rows{{{_JOB}}})", "{{count}}"),
    Panel(
        "Rejected rows by step and reason", f"sum by (step, reason) (datajob_rejected_rows{{{_JOB}}})", "{{step}}: {{reason}}"
    ),
    Panel("CPU seconds by step", f"sum by (step) (datajob_step_seconds{{{_JOB}}})", "{{step}}", "s"),
    Panel("Shards", f"sum by (state) (datajob_shards{{{_JOB}}})", "{{state}}"),
    Panel("Age of runs", f"time() - datajob_started_timestamp_seconds{{{_JOB}}}", "{{namespace}}/{{name}}", "s"),
    Panel("Failed attempts", f"datajob_failed_attempts{{{_JOB}}}", "{{namespace}}/{{name}}"),
    Panel(
        "Time from DataJob to RayJob, 99th percentile",
        "histogram_quantile(0.99, sum by (le) (rate(datajob_start_seconds_bucket[$__rate_interval])))",
        "p99",
        "s",
    ),
    Panel(
        "Duration of runs, median",
        "histogram_quantile(0.5, sum by (le, result) (rate(datajob_run_seconds_bucket[$__rate_interval])))",
        "{{result}}",
        "s",
    ),
    Panel("Events", "sum by (type, reason) (rate(datajob_events_total[$__rate_interval]))", "{{type}} {{reason}}", "ops"),
    Panel("Queue depth", "sum(datajob_queue_depth)", "DataJobs"),
    Panel(
        "Time to reconcile a DataJob, 99th percentile",
        "histogram_quantile(0.99, sum by (le) (rate(datajob_reconcile_seconds_bucket[$__rate_interval])))",
        "p99",
        "s",
    ),
    Panel(
        "Time in the queue, 99th percentile",
        "histogram_quantile(0.99, sum by (le) (rate(datajob_queue_seconds_bucket[$__rate_interval])))",
        "p99",
        "s",
    ),
    Panel(
        "Requests to the API server",
        "sum by (verb, kind, code) (rate(datajob_api_request_seconds_count[$__rate_interval]))",
        "{{verb}} {{kind}} {{code}}",
        "reqps",
    ),
    Panel("Leader", "datajob_leader", "{{pod}}"),
    Panel("KubeRay", "max(datajob_kuberay_installed)", "installed"),
)

ALERTS = (
    Alert(
        "DataJobControllerDown",
        "absent(datajob_leader == 1)",
        5,
        "critical",
        "No controller replica is the leader. DataJobs are neither started nor updated.",
    ),
    Alert(
        "DataJobControllerStuck",
        "time() - max(datajob_last_heartbeat_timestamp_seconds) > 180",
        5,
        "critical",
        "The controller does not process its queue.",
    ),
    Alert(
        "DataJobReconcileErrors",
        "sum(rate(datajob_reconcile_errors_total[10m])) > 0.1",
        15,
        "warning",
        "The controller repeatedly fails to reconcile some DataJobs.",
    ),
    Alert(
        "DataJobKubeRayMissing", "max(datajob_kuberay_installed) == 0", 10, "critical", "The cluster does not serve RayJobs."
    ),
    Alert(
        "DataJobFailed",
        'sum by (namespace) (datajob_jobs{phase="Failed"}) > 0',
        5,
        "warning",
        "DataJobs in the namespace {{ $labels.namespace }} have failed.",
    ),
    Alert(
        "DataJobNoProgress",
        '(changes(datajob_shards{state="done"}[1h]) == 0) and on (namespace, name) (datajob_progress_ratio > 0) '
        "and on (namespace, name) (datajob_progress_ratio < 1)",
        30,
        "warning",
        "The DataJob {{ $labels.namespace }}/{{ $labels.name }} has not committed a shard for an hour.",
    ),
)


def dashboard() -> dict[str, Any]:
    """The Grafana dashboard."""
    return {
        "title": "DataJobs",
        "uid": "datajobs",
        "schemaVersion": 39,
        "tags": ["datajob", "ray"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                _variable("namespace", "label_values(datajob_jobs, namespace)"),
                _variable("name", 'label_values(datajob_progress_ratio{namespace=~"$namespace"}, name)'),
            ]
        },
        "panels": [_panel(index, panel) for index, panel in enumerate(PANELS)],
    }


def manifests() -> dict[str, str]:
    """The files of manifests/monitoring, by name."""
    resources = ["pod-monitors.yaml", "rules.yaml"]
    options = {"disableNameSuffixHash": True, "labels": {"grafana_dashboard": "1", **LABELS}}
    generator = {"name": "datajob-dashboard", "namespace": "datajob-system", "files": ["dashboard.json"], "options": options}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
        "configMapGenerator": [generator],
    }
    return {
        "dashboard.json": json.dumps(dashboard(), indent=2) + "\n",
        "rules.yaml": _yaml(_rules()),
        "pod-monitors.yaml": "---\n".join(_yaml(one) for one in _pod_monitors()),
        "kustomization.yaml": _yaml(kustomization),
    }


def _rules() -> dict[str, Any]:
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": f"{alert.minutes}m",
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook_url": f"{RUNBOOK}#{alert.name.lower()}"},
        }
        for alert in ALERTS
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "datajob", "namespace": "datajob-system", "labels": LABELS},
        "spec": {"groups": [{"name": "datajob", "rules": rules}]},
    }


def _pod_monitors() -> list[dict[str, Any]]:
    """One PodMonitor for the controller, and one for the metrics of Ray in the pods of jobs."""
    controller = {"matchLabels": {"app.kubernetes.io/name": CONTROLLER}}
    ray = {"matchLabels": {LABEL_MANAGED_BY: CONTROLLER}}
    return [
        _pod_monitor(
            "datajob-controller",
            {"selector": controller, "podMetricsEndpoints": [{"port": "http", "path": "/metrics", "honorLabels": True}]},
        ),
        _pod_monitor(
            "datajob-ray",
            {
                "namespaceSelector": {"any": True},
                "selector": ray,
                "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics"}],
            },
        ),
    ]


def _pod_monitor(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": "datajob-system", "labels": LABELS}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": meta, "spec": spec}


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "$datasource"}
    return {
        "id": index + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"h": 8, "w": 8, "x": index % 3 * 8, "y": index // 3 * 8},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, "expr": panel.expression, "legendFormat": panel.legend}],
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "$datasource"},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=120)


def main() -> int:
    """Write the files; with --check, list the ones that are out of date."""
    stale = [name for name, text in manifests().items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is out of date: run python -m datajob_controller.datajob.monitoring")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(manifests()[name])
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
