"""The files of manifests/monitoring, except for those of single other kinds."""

import re
from typing import Any

from datajob.api.contract import CONTROLLER, LABEL_ATTEMPT, LABEL_MANAGED_BY, LABEL_NAME
from datajob_controller.datajob.monitoring.alerts import ALERTS
from datajob_controller.datajob.monitoring.dashboard import DASHBOARD
from datajob_controller.shared.monitoring.files import SELECTOR, as_json, as_yaml, monitoring_object, rules_file


def _from_pod(label: str, target: str) -> dict[str, Any]:
    """A label of the pod as a label of its metrics."""
    source = "__meta_kubernetes_pod_label_" + re.sub("[^a-zA-Z0-9_]", "_", label)
    return {"sourceLabels": [source], "targetLabel": target}


RELABELINGS = [_from_pod(LABEL_NAME, "name"), _from_pod(LABEL_ATTEMPT, "attempt")]
"""Metrics of Ray have the same labels `namespace` and `name` as the metrics of the controller."""
RENAMED = {
    "sourceLabels": ["__name__"],
    "regex": "ray_(datajob_service_.+)",
    "targetLabel": "__name__",
    "replacement": "$1",
}
"""The metrics of an application on Ray have the same names as without Ray."""


def manifests() -> dict[str, str]:
    """The files, by name."""
    return {
        "dashboard.json": as_json(DASHBOARD.json()),
        "rules.yaml": rules_file("datajob", ALERTS),
        "pod-monitors.yaml": "---\n".join(as_yaml(one) for one in _pod_monitors()),
    }


def _pod_monitors() -> list[dict[str, Any]]:
    """One PodMonitor for the controller, and one for the metrics of Ray in the pods of jobs and services."""
    controller = {"port": "http", "path": "/metrics", "honorLabels": True}
    ray = {"port": "metrics", "path": "/metrics", "relabelings": RELABELINGS, "metricRelabelings": [RENAMED]}
    return [
        monitoring_object(
            "PodMonitor",
            "datajob-controller",
            {"selector": {"matchLabels": SELECTOR}, "podMetricsEndpoints": [controller]},
        ),
        monitoring_object(
            "PodMonitor",
            "datajob-ray",
            {
                "namespaceSelector": {"any": True},
                "selector": {"matchLabels": {LABEL_MANAGED_BY: CONTROLLER}},
                "podMetricsEndpoints": [ray],
            },
        ),
    ]
