"""The files of manifests/monitoring."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from datajob import __version__
from datajob.api.contract import CONTROLLER, LABEL_ATTEMPT, LABEL_MANAGED_BY, LABEL_NAME
from datajob_controller.datajob.monitoring.alerts import rules
from datajob_controller.datajob.monitoring.dashboard import dashboard

FOLDER = Path(__file__).parents[4] / "manifests" / "monitoring"
SELECTOR = {"app.kubernetes.io/name": CONTROLLER, "app.kubernetes.io/instance": "datajob"}
LABELS = {
    **SELECTOR,
    "app.kubernetes.io/version": __version__,
    "app.kubernetes.io/component": "controller",
    "app.kubernetes.io/part-of": "datajob-operator",
}


def _from_pod(label: str, target: str) -> dict[str, Any]:
    """A label of the pod as a label of its metrics."""
    source = "__meta_kubernetes_pod_label_" + re.sub("[^a-zA-Z0-9_]", "_", label)
    return {"sourceLabels": [source], "targetLabel": target}


RELABELINGS = [_from_pod(LABEL_NAME, "name"), _from_pod(LABEL_ATTEMPT, "attempt")]
"""Metrics of Ray have the same labels `namespace` and `name` as the metrics of the controller."""


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
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "datajob", "namespace": "datajob-system", "labels": LABELS},
        "spec": {"groups": [{"name": "datajob", "rules": rules()}]},
    }


def _pod_monitors() -> list[dict[str, Any]]:
    """One PodMonitor for the controller, and one for the metrics of Ray in the pods of jobs."""
    controller = {"matchLabels": SELECTOR}
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
                "podMetricsEndpoints": [{"port": "metrics", "path": "/metrics", "relabelings": RELABELINGS}],
            },
        ),
    ]


def _pod_monitor(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": "datajob-system", "labels": LABELS}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": meta, "spec": spec}


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(value: Any) -> str:
    return yaml.dump(value, sort_keys=False, width=120, Dumper=_WithoutAliases)
