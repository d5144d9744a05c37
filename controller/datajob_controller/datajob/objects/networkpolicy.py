"""Who may connect to the pods of a job: these pods, the KubeRay operator, and Prometheus.

Ray's job API runs any command for clients that have the token; the policy blocks all other clients.
"""

from datajob.api.contract import DASHBOARD_PORT, LABEL_UID, METRICS_PORT
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.shared.objects.networkpolicy import operator_of_kuberay, scrapers


def network_policy(datajob: Manifest, run: str, settings: JobSettings) -> Manifest:
    """The NetworkPolicy of a run. Egress is not restricted, since the data can be anywhere."""
    own = {"matchLabels": {LABEL_UID: datajob["metadata"]["uid"]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(datajob, run),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": own}]},
                {"from": [operator_of_kuberay(settings)], "ports": [{"protocol": "TCP", "port": DASHBOARD_PORT}]},
                {"from": [scrapers(settings)], "ports": [{"protocol": "TCP", "port": METRICS_PORT}]},
            ],
        },
    }
