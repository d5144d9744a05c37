"""A driver in a process of its own, to be killed or measured: `python -m tests.support.runner JOB.json OPTIONS.json`.

Prints the peak of its resident memory in kB (Linux). The kernel's figure for a child would include its parent's size.
"""

import json
import sys
from pathlib import Path

from datajob.api.datajob import DataJob
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from tests.support.accounting import check_every_run

if __name__ == "__main__":
    job, options = (json.loads(Path(p).read_text()) for p in sys.argv[1:3])
    check_every_run()
    run_job(DataJob.model_validate(job), RunOptions(**options))
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    print(next((line.split()[1] for line in lines if line.startswith("VmHWM")), ""))
