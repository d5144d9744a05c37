"""How clients reach a service: a Service, optionally an HTTPRoute, and a NetworkPolicy."""

from datajob.api.contract import DASHBOARD_PORT, LABEL_UID, METRICS_PORT
from datajob.api.service.service import PORT
from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.shared.objects.networkpolicy import operator_of_kuberay, scrapers

SERVES = "ray.io/serve"
"""Label of KubeRay of pods that may receive requests."""
CLUSTER = "ray.io/cluster"


def service_object(service: Manifest, cluster: str) -> Manifest:
    """The Service in front of the Ray cluster that answers requests. It has the name of the ModelService."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(service, service["metadata"]["name"]),
        "spec": {
            "selector": selector(cluster),
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def selector(cluster: str) -> dict[str, str]:
    """The pods of a Ray cluster that may receive requests."""
    return {CLUSTER: cluster, SERVES: "true"}


def http_route(service: Manifest, spec: ModelServiceSpec) -> Manifest | None:
    """The HTTPRoute, if the spec states one."""
    route, meta = spec.route, service["metadata"]
    if route is None:
        return None
    parent = {"name": route.gateway, **({"namespace": route.gateway_namespace} if route.gateway_namespace else {})}
    backend = {"name": meta["name"], "port": PORT}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(service, meta["name"]),
        "spec": {
            "parentRefs": [parent],
            **({"hostnames": list(route.hostnames)} if route.hostnames else {}),
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}], "backendRefs": [backend]}],
        },
    }


def network_policy(service: Manifest, settings: ServiceSettings) -> Manifest:
    """Who may connect to the pods: these pods, clients, the KubeRay operator, and Prometheus.

    Replicas listen on further ports for the proxies of the same cluster. The KubeRay operator asks the proxy of the head.
    """
    own = {"matchLabels": {LABEL_UID: service["metadata"]["uid"]}}
    clients = settings.service_client_labels
    from_clients: Manifest = {"from": [{"namespaceSelector": {"matchLabels": clients}}]} if clients else {}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(service, service["metadata"]["name"]),
        "spec": {
            "podSelector": own,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": own}]},
                {**from_clients, "ports": [_tcp(PORT)]},
                {"from": [operator_of_kuberay(settings)], "ports": [_tcp(DASHBOARD_PORT), _tcp(PORT)]},
                {"from": [scrapers(settings)], "ports": [_tcp(METRICS_PORT)]},
            ],
        },
    }


def service_account(service: Manifest) -> Manifest:
    """The ServiceAccount of the pods; KubeRay permits it what the autoscaler needs."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(service, service["metadata"]["name"]),
        "automountServiceAccountToken": False,
    }


def _tcp(port: int) -> Manifest:
    return {"protocol": "TCP", "port": port}
