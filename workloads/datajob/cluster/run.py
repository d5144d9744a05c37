"""The entrypoint of the Ray job on a cluster: `python -m datajob.cluster.run JOB.yaml`.

Reads the job, runs it on the Ray cluster it is in, and keeps the job's report ConfigMap up to date. Exit codes are
those of `datajob run`: 2 to 5 say that the job or its data have to be mended, and that another attempt would not help;
the others may be cured by one.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path

from datajob.api.report import Report
from datajob.cluster.report_configmap import ConfigMapAddress, StatusMap
from datajob.engine.events import Event, Finished, Note, Progressed
from datajob.errors import DataJobError

log = logging.getLogger("datajob")


def main(path: str) -> int:
    """Run the job in `path`; the exit code of the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    address = ConfigMapAddress.from_environment()
    status = StatusMap(address) if address else None
    last: Report | None = None

    def watch(event: Event) -> None:
        nonlocal last
        if isinstance(event, Progressed | Finished):
            last = event.report
            if status is not None:
                status.offer(event.report)
            p = event.report.progress
            log.info(
                "%d%%: %d rows read, %d written, %d rejected, %d failed",
                p.percent,
                p.rows_in,
                p.rows_out,
                p.rows_rejected,
                p.rows_failed,
            )
        elif isinstance(event, Note):
            log.info(event.message)

    code, message = _run(path, watch)
    if code:
        log.error(message)
        last = _failed(last, message, code)
    if status is not None:
        status.close(last)
    return code


def _run(path: str, watch: object) -> tuple[int, str]:
    from datajob.api.loading import load
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions

    try:
        job = load(path)[0]
        options = RunOptions(
            executor=os.environ.get("DATAJOB_EXECUTOR", "auto"),  # type: ignore[arg-type]
            in_cluster=True,
            ray_address=os.environ.get("RAY_ADDRESS"),
            run_id=os.environ.get("DATAJOB_RUN_ID"),
            attempt=int(os.environ["DATAJOB_ATTEMPT"]) if "DATAJOB_ATTEMPT" in os.environ else None,
            python_path=(str(Path(path).resolve().parent), str(Path.cwd())),
            on_event=watch,  # type: ignore[arg-type]
        )
        run_job(job, options)
    except DataJobError as error:
        return error.exit_code, str(error)
    except Exception as error:  # noqa: BLE001 - the last line of defence says what happened
        traceback.print_exc()
        return 1, f"{type(error).__name__}: {error}"
    return 0, ""


def _failed(last: Report | None, message: str, code: int) -> Report:
    from datajob import __version__
    from datajob.engine.commit.run_state import now

    report = last or Report(name=os.environ.get("DATAJOB_NAME", "datajob"), state="failed", started=now(), version=__version__)
    return report.model_copy(update={"state": "failed", "message": message, "exit_code": code, "finished": now()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
