"""The dashboard of DataJobs."""

from datajob_controller.datajob.monitoring.panels import ROWS
from datajob_controller.shared.monitoring.grafana import Dashboard

DASHBOARD = Dashboard(
    kind="DataJob",
    uid="datajobs",
    rows=ROWS,
    links={
        "Documentation": "kubernetes.md",
        "Runbooks": "runbooks/alerts.md",
        "Troubleshooting": "troubleshooting.md",
        "Ray dashboard": "kubernetes.md#logs-and-the-ray-dashboard",
    },
    namespaces="label_values(datajob_jobs, namespace)",
    names='label_values(datajob_phase{namespace=~"$namespace"}, name)',
    phases={
        "Complete": "green",
        "Running": "blue",
        "Starting": "light-blue",
        "Retrying": "orange",
        "Failed": "red",
        "Invalid": "red",
        "Suspended": "purple",
    },
    runbook="runbooks/alerts.md#datajobfailed",
    sort_by="Started",
    gauge="Complete",
)
