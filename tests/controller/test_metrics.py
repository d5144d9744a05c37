"""What /metrics says of DataJobs."""

from prometheus_client import generate_latest

from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.store import Store
from tests.support.world import datajob


def test_the_status_of_jobs_is_what_the_metrics_say() -> None:
    store = Store()
    status = {
        "phase": "Running",
        "failures": 1,
        "started": "2026-05-01T12:00:00Z",
        "progress": {"rowsIn": 100, "rowsOut": 90, "shardsDone": 3, "shardsTotal": 10, "percent": 30},
        "steps": [{"name": "filter", "seconds": 1.5, "rejected": {"short": 10}}],
    }
    store.put_datajob(datajob(status=status))
    text = generate_latest(Metrics(store).registry).decode()
    for line in (
        'datajob_jobs{namespace="team-a",phase="Running"} 1.0',
        'datajob_rows{count="in",name="clean-web",namespace="team-a"} 100.0',
        'datajob_progress_ratio{name="clean-web",namespace="team-a"} 0.3',
        'datajob_rejected_rows{name="clean-web",namespace="team-a",reason="short",step="filter"} 10.0',
        'datajob_step_seconds{name="clean-web",namespace="team-a",step="filter"} 1.5',
        'datajob_failed_attempts{name="clean-web",namespace="team-a"} 1.0',
    ):
        assert line in text
