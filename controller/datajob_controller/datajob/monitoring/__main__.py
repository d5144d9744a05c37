"""`python -m datajob_controller.datajob.monitoring [--check]` generates the monitoring of the controller and of DataJobs."""

import sys

from datajob_controller.datajob.monitoring.files import manifests
from datajob_controller.shared.monitoring.files import write

if __name__ == "__main__":
    raise SystemExit(write(manifests(), sys.argv[1:]))
