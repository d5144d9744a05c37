"""A driver in a separate process, to be killed or measured: `python -m tests.support.runner JOB.json OPTIONS.json [COMMITS]`.

After that number of commits, the driver waits before the next one. At the end, it prints the peak of its resident memory in kB
(Linux); the kernel's value for a child would include the size of its parent.
"""

import json
import sys
import threading
from pathlib import Path

from datajob.api.datajob import DataJob
from datajob.engine.commit.ledger import Ledger, Record
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from tests.support.accounting import check_every_run


def hold_after(commits: int) -> None:
    """Let a driver on this machine wait forever once it has committed this many shards."""
    commit, free = Ledger.commit, threading.Semaphore(commits)

    def commit_or_wait(self: Ledger, record: Record) -> None:
        free.acquire()
        commit(self, record)

    Ledger.commit = commit_or_wait  # type: ignore[method-assign]


if __name__ == "__main__":
    job, options = (json.loads(Path(p).read_text()) for p in sys.argv[1:3])
    check_every_run()
    if len(sys.argv) > 3:
        hold_after(int(sys.argv[3]))
    run_job(DataJob.model_validate(job), RunOptions(**options))
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    print(next((line.split()[1] for line in lines if line.startswith("VmHWM")), ""))
