"""`python -m datajob_controller.modelservice.monitoring [--check]` generates the monitoring of ModelServices."""

import sys

from datajob_controller.modelservice.monitoring.alerts import ALERTS
from datajob_controller.modelservice.monitoring.dashboard import DASHBOARD
from datajob_controller.shared.monitoring.files import as_json, rules_file, write


def manifests() -> dict[str, str]:
    """The files, by name."""
    return {
        "modelservices-dashboard.json": as_json(DASHBOARD.json()),
        "modelservices-rules.yaml": rules_file("datajob-modelservices", ALERTS),
    }


if __name__ == "__main__":
    raise SystemExit(write(manifests(), sys.argv[1:]))
