"""The metrics of DataJobs at /metrics."""

from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest

from datajob_controller.datajob.metrics import JobMetrics
from datajob_controller.runtime.manifests import rfc3339
from tests.support.world import NOW, World, datajob


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_metrics_show_the_statuses_of_jobs() -> None:
    status = {
        "phase": "Running",
        "failures": 1,
        "started": "2026-05-01T12:00:00Z",
        "progress": {"rowsIn": 100, "rowsOut": 90, "shardsDone": 3, "shardsTotal": 10, "percent": 30},
        "steps": [{"name": "filter", "seconds": 1.5, "rejected": {"short": 10}}],
    }
    registry = CollectorRegistry()
    JobMetrics(registry, lambda: [datajob(status=status)])
    for line in (
        'datajob_jobs{namespace="team-a",phase="Running"} 1.0',
        'datajob_rows{count="in",name="clean-web",namespace="team-a"} 100.0',
        'datajob_progress_ratio{name="clean-web",namespace="team-a"} 0.3',
        'datajob_rejected_rows{name="clean-web",namespace="team-a",reason="short",step="filter"} 10.0',
        'datajob_step_seconds{name="clean-web",namespace="team-a",step="filter"} 1.5',
        'datajob_failed_attempts{name="clean-web",namespace="team-a"} 1.0',
    ):
        assert line in text(registry)


def test_the_start_and_the_length_of_a_run_are_observed_once() -> None:
    registry, world = CollectorRegistry(), World(datajob())
    metrics = JobMetrics(registry, lambda: [world.job])
    created = world.decide().create
    metrics.created(datajob(), created, NOW + timedelta(seconds=2))
    metrics.created(world.job, created, NOW + timedelta(seconds=9))
    before = {**world.job, "status": world.status}
    world.later(60)
    world.succeeds()
    metrics.status_written(before, world.status)
    metrics.status_written(world.job, world.status)
    assert "datajob_start_seconds_sum 2.0" in text(registry)
    assert "datajob_start_seconds_count 1.0" in text(registry)
    assert 'datajob_run_seconds_sum{result="complete"} 60.0' in text(registry)
    assert 'datajob_run_seconds_count{result="complete"} 1.0' in text(registry)
    assert world.status["finished"] == rfc3339(world.now)


def test_metrics_show_whether_kuberay_is_installed() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry, list)
    metrics.discovered({"RayJob"})
    assert "datajob_kuberay_installed 0.0" in text(registry)
    metrics.discovered(set())
    assert "datajob_kuberay_installed 1.0" in text(registry)
