"""The metrics of ModelServices. The dashboard and the alerts are built on these names."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from datajob_controller.runtime.kind import KindMetrics, Objects
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.exposition import Sample, families

HELP = {
    "datajob_modelservice_phase": "1 for the phase of a ModelService; the reason is that of its condition.",
    "datajob_modelservice_condition": "1 for each condition of a ModelService that is true.",
    "datajob_modelservice_ready_replicas": "Replicas of a ModelService that answer requests.",
    "datajob_modelservice_replicas": "Replicas of a ModelService that should run.",
}


class ServiceMetrics(KindMetrics):
    """What the statuses of ModelServices contain."""

    def __init__(self, _: CollectorRegistry, services: Objects) -> None:
        self._services = services

    def text(self) -> str:
        """The series of all services."""
        samples = (sample for one in self._services() for sample in _samples(one.namespace, one.name, one.manifest))
        return families(HELP, samples)


def _samples(namespace: str, name: str, service: Manifest) -> Iterator[Sample]:
    status, of_service = service.get("status") or {}, {"namespace": namespace, "name": name}
    phase, reason = str(status.get("phase", "Pending")), str(status.get("reason", "Pending"))
    yield "datajob_modelservice_phase", {**of_service, "phase": phase, "reason": reason}, 1
    for condition in status.get("conditions", ()):
        if condition["status"] == "True":
            yield (
                "datajob_modelservice_condition",
                {**of_service, "condition": condition["type"], "reason": condition["reason"]},
                1,
            )
    yield "datajob_modelservice_ready_replicas", of_service, status.get("readyReplicas", 0)
    yield "datajob_modelservice_replicas", of_service, status.get("replicas", 0)
