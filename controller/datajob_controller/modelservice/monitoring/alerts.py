"""The alerts of ModelServices. They do not depend on which replica of the controller leads."""

from datajob_controller.shared.monitoring.alerts import OBJECT, Alert

PAGE = "modelservices.md"


def _condition(kind: str) -> str:
    """ModelServices with a condition, as series with the labels `namespace`, `name` and `reason`."""
    return f'max by (namespace, name, reason) (datajob_modelservice_condition{{condition="{kind}"}})'


def _requests(statuses: str = "") -> str:
    """Requests per second of each service."""
    selected = f'{{status=~"{statuses}"}}' if statuses else ""
    return f"sum by (namespace, name) (rate(datajob_service_requests_total{selected}[5m]))"


ALERTS = (
    Alert(
        "ModelServiceStalled",
        f"{_condition('Stalled')} == 1",
        5,
        "warning",
        f"The ModelService {OBJECT} requires user action: {{{{ $labels.reason }}}}.",
        page=PAGE,
    ),
    Alert(
        "ModelServiceUnavailable",
        "(max by (namespace, name) (datajob_modelservice_ready_replicas) == 0) and on (namespace, name) "
        "(max by (namespace, name) (datajob_modelservice_replicas) > 0)",
        15,
        "critical",
        f"No replica of the ModelService {OBJECT} answers requests.",
        page=PAGE,
    ),
    Alert(
        "ModelServiceErrors",
        f"{_requests('5..')} / {_requests()} > 0.05",
        10,
        "warning",
        f"More than 5 % of the requests to the ModelService {OBJECT} fail.",
        page=PAGE,
    ),
    Alert(
        "ModelServiceOverloaded",
        f"{_requests('429')} / {_requests()} > 0.1",
        15,
        "warning",
        f"The ModelService {OBJECT} rejects more than 10 % of its requests because of its limits.",
        page=PAGE,
    ),
    Alert(
        "ModelServiceRevisionsDiffer",
        "count by (namespace, name) (count by (namespace, name, revision) (datajob_service_model_revision == 1)) > 1",
        30,
        "warning",
        f"Replicas of the ModelService {OBJECT} have loaded {{{{ $value }}}} different commits of the model.",
        page=PAGE,
    ),
)
