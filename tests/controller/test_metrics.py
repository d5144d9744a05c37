"""The metrics of DataJobs at /metrics."""

from collections.abc import Callable
from datetime import timedelta
from importlib.metadata import version
from itertools import pairwise
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from datajob_controller.datajob.metrics import JobMetrics
from datajob_controller.datajob.series import JobDetail, Series
from datajob_controller.runtime.manifests import rfc3339
from datajob_controller.runtime.metrics import Metrics
from datajob_controller.runtime.stored import Stored
from tests.support.world import NOW, World, datajob

ENDED = "Job entrypoint command failed with exit code"


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def series(*jobs: dict[str, Any], detail: JobDetail = "steps") -> str:
    return Series(lambda: map(Stored, jobs), detail).text()


def test_metrics_show_the_statuses_of_jobs() -> None:
    status = {
        "phase": "Running",
        "failures": 1,
        "attempt": 2,
        "started": "2026-05-01T12:00:00Z",
        "progress": {"rowsIn": 100, "rowsOut": 90, "shardsDone": 3, "shardsTotal": 10, "percent": 30, "etaSeconds": 40},
        "steps": [{"name": "filter", "seconds": 1.5, "rejected": {"short": 10}, "removedItems": {"blurred": 4}}],
        "endpoints": [{"endpoint": "http://a/v1", "model": "m", "requests": 9, "retries": 2, "inputTokens": 5, "cost": 0.5}],
        "pools": [{"name": "llava", "device": "gpu", "processes": 2, "busy": 0.97, "queued": 64, "rowsPerSecond": 12.5}],
    }
    shown = series(datajob(status=status))
    for line in (
        'datajob_jobs{namespace="team-a",phase="Running"} 1.0',
        'datajob_rows{count="in",name="clean-web",namespace="team-a"} 100.0',
        'datajob_progress_ratio{name="clean-web",namespace="team-a"} 0.3',
        'datajob_rejected_rows{name="clean-web",namespace="team-a",reason="short",step="filter"} 10.0',
        'datajob_step_seconds{name="clean-web",namespace="team-a",step="filter"} 1.5',
        'datajob_removed_items{name="clean-web",namespace="team-a",reason="blurred",step="filter"} 4.0',
        'datajob_failed_attempts{name="clean-web",namespace="team-a"} 1.0',
        'datajob_attempt{name="clean-web",namespace="team-a"} 2.0',
        'datajob_eta_seconds{name="clean-web",namespace="team-a"} 40.0',
        'datajob_endpoint_requests{endpoint="http://a/v1",model="m",name="clean-web",namespace="team-a"} 9.0',
        'datajob_endpoint_retries{endpoint="http://a/v1",model="m",name="clean-web",namespace="team-a"} 2.0',
        'datajob_endpoint_tokens{direction="input",endpoint="http://a/v1",model="m",name="clean-web",namespace="team-a"} 5.0',
        'datajob_endpoint_cost{endpoint="http://a/v1",model="m",name="clean-web",namespace="team-a"} 0.5',
        'datajob_pool_busy_ratio{name="clean-web",namespace="team-a",pool="llava"} 0.97',
        'datajob_pool_queued_rows{name="clean-web",namespace="team-a",pool="llava"} 64.0',
        'datajob_pool_rows_per_second{name="clean-web",namespace="team-a",pool="llava"} 12.5',
    ):
        assert f"{line}\n" in shown
    families = {family.name: family for family in text_string_to_metric_families(shown)}
    assert families["datajob_rows"].documentation == "Rows of a DataJob."
    assert {family.type for family in families.values()} == {"gauge"}


def test_the_text_of_a_job_changes_with_its_version_only() -> None:
    jobs, read = [datajob(status={"phase": "Running", "attempt": 1})], []

    class Counted(Stored):
        @property
        def manifest(self) -> dict[str, Any]:
            read.append(self.version)
            return super().manifest

    made = Series(lambda: map(Counted, jobs))
    assert made.text() == made.text()
    assert read == [7]
    jobs[0] = {**datajob(status={"phase": "Complete", "attempt": 2})}
    jobs[0]["metadata"]["resourceVersion"] = "8"
    assert 'datajob_attempt{name="clean-web",namespace="team-a"} 2.0' in made.text()
    assert read == [7, 8]
    jobs.clear()
    assert "clean-web" not in made.text()


def test_labels_are_escaped_as_prometheus_expects() -> None:
    why = 'a "quoted" \\ word\nand a line'
    status = {"phase": "Running", "steps": [{"name": "filter", "rejected": {why: 3}}]}
    (family,) = [
        one for one in text_string_to_metric_families(series(datajob(status=status))) if one.name == "datajob_rejected_rows"
    ]
    assert [(sample.labels["reason"], sample.value) for sample in family.samples] == [(why, 3)]


@pytest.mark.parametrize("phase", ["Complete", "Failed"])
def test_finished_jobs_have_no_series_per_step(phase: str) -> None:
    steps = [{"name": "filter", "seconds": 1.5, "rejected": {"short": 10}}]
    shown = series(datajob(status={"phase": phase, "steps": steps}))
    assert 'datajob_phase{name="clean-web"' in shown
    assert 'step="filter"' not in shown


def test_a_setting_limits_the_series() -> None:
    status = {"phase": "Running", "steps": [{"name": "filter", "seconds": 1.5}]}
    lines: dict[JobDetail, str] = {detail: series(datajob(status=status), detail=detail) for detail in get_args(JobDetail)}
    assert all('datajob_jobs{namespace="team-a",phase="Running"} 1.0' in one for one in lines.values())
    assert 'name="clean-web"' not in lines["none"]
    assert 'name="clean-web"' in lines["jobs"] and 'step="filter"' not in lines["jobs"]
    assert 'step="filter"' in lines["steps"]


def test_the_start_and_the_length_of_a_run_are_observed_once() -> None:
    registry, world = CollectorRegistry(), World(datajob())
    metrics = JobMetrics(registry, list)
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


INVERTED = {"workers": {"min": 2, "max": 1}}


@pytest.mark.parametrize(
    ("change", "phase", "stalled"),
    [
        (lambda world: None, 'phase="Starting",reason="ClusterStarting"', ""),
        (lambda world: world.set_running(), 'phase="Running",reason="DriverRunning"', ""),
        (lambda world: world.edit(suspend=True), 'phase="Suspended",reason="SuspendedByUser"', ""),
        (lambda world: world.fails(f"{ENDED} 2"), 'phase="Failed",reason="InvalidJob"', ""),
        (lambda world: world.fails(f"{ENDED} 1"), 'phase="Retrying",reason="DriverFailed"', ""),
        (lambda world: setattr(world, "job", datajob(resources=INVERTED)), 'reason="InvalidSpec"', "InvalidSpec"),
    ],
    ids=["starting", "running", "suspended", "failed", "retrying", "invalid"],
)
def test_a_job_has_one_phase_with_the_reason_of_its_condition(change: Callable[[Any], None], phase: str, stalled: str) -> None:
    world = World(datajob())
    world.settle()
    change(world)
    world.settle()
    shown = series(world.job).splitlines()
    (found,) = [line for line in shown if line.startswith("datajob_phase{")]
    assert phase in found
    stalled_ones = [line for line in shown if line.startswith("datajob_stalled{")]
    assert [f'reason="{stalled}"' in line for line in stalled_ones] == ([True] if stalled else [])


def test_retries_and_ends_are_counted_once_by_reason() -> None:
    registry, world = CollectorRegistry(), World(datajob(retry={"limit": 1, "backoffSeconds": 1}))
    metrics = JobMetrics(registry, list)
    world.settle()
    statuses = [{**world.job}]
    for code in (1, 2):
        world.fails(f"{ENDED} {code}")
        for _ in range(5):
            world.settle()
            statuses.append({**world.job})
            world.later(5)
    for before, after in pairwise(statuses):
        metrics.status_written(before, after["status"])
    samples = text(registry)
    assert 'datajob_retries_total{namespace="team-a",reason="DriverFailed"} 1.0' in samples
    assert 'datajob_finished_total{namespace="team-a",reason="InvalidJob",result="failed"} 1.0' in samples
    assert samples.count("\ndatajob_retries_total{") == samples.count("\ndatajob_finished_total{") == 1


def test_the_process_and_its_version_are_among_the_metrics() -> None:
    samples = generate_latest(Metrics().registry).decode()
    assert f'datajob_build_info{{kopf="{version("kopf")}"' in samples
    assert "process_resident_memory_bytes" in samples
    assert "process_cpu_seconds_total" in samples
    assert "_created" not in samples


def test_metrics_show_whether_kuberay_is_installed() -> None:
    registry = CollectorRegistry()
    metrics = JobMetrics(registry, list)
    metrics.discovered({"RayJob"})
    assert "datajob_kuberay_installed 0.0" in text(registry)
    metrics.discovered(set())
    assert "datajob_kuberay_installed 1.0" in text(registry)
