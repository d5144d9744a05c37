"""Peers of the NetworkPolicies of all kinds."""

from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.settings import PodSettings


def operator_of_kuberay(settings: PodSettings) -> Manifest:
    """The pods of the KubeRay operator."""
    labels = settings.kuberay_namespace_labels
    return {
        "namespaceSelector": {"matchLabels": labels} if labels else {},
        "podSelector": {"matchLabels": settings.kuberay_labels},
    }


def scrapers(settings: PodSettings) -> Manifest:
    """The namespaces of Prometheus."""
    return {"namespaceSelector": {"matchLabels": settings.metrics_namespace_labels}}
