"""The dashboard of ModelServices."""

from datajob_controller.modelservice.monitoring.panels import ROWS
from datajob_controller.shared.monitoring.grafana import Dashboard

DASHBOARD = Dashboard(
    kind="ModelService",
    uid="modelservices",
    rows=ROWS,
    links={"Documentation": "serving.md", "Runbooks": "runbooks/modelservices.md"},
    namespaces="label_values(datajob_modelservice_phase, namespace)",
    names='label_values(datajob_modelservice_phase{namespace=~"$namespace"}, name)',
    phases={
        "Available": "green",
        "Updating": "blue",
        "Starting": "light-blue",
        "Stalled": "red",
        "Invalid": "red",
        "Suspended": "purple",
    },
    runbook="runbooks/modelservices.md#modelservicestalled",
    sort_by="Requests per second",
)
