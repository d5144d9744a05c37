"""Who may talk to a job's pods: they themselves, KubeRay's operator, and whoever scrapes metrics.

Ray's job API runs any command for whoever reaches it with the token; the policy keeps others from even trying.
"""

from datajob.api.contract import DASHBOARD_PORT, LABEL_UID, METRICS_PORT
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.runtime.settings import Settings


def network_policy(datajob: Manifest, run: str, settings: Settings) -> Manifest:
    """The NetworkPolicy of a run. Egress is open: the data may be anywhere."""
    own = {"matchLabels": {LABEL_UID: datajob["metadata"]["uid"]}}
    kuberay = {"namespaceSelector": {}, "podSelector": {"matchLabels": settings.kuberay_labels}}
    metrics = {"namespaceSelector": {"matchLabels": settings.metrics_namespace_labels}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(datajob, run),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": own}]},
                {"from": [kuberay], "ports": [{"protocol": "TCP", "port": DASHBOARD_PORT}]},
                {"from": [metrics], "ports": [{"protocol": "TCP", "port": METRICS_PORT}]},
            ],
        },
    }
