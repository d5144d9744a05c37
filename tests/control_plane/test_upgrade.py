"""An upgrade and the way back with the real earlier controller, its CRD, and kubectl: nothing restarts and nothing is lost."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.control_plane.conftest import Start
from tests.support.api import Api
from tests.support.api_jobs import PHASES, Jobs
from tests.support.controller_process import ROOT
from tests.support.earlier import python_path, unpacked
from tests.support.upgrade_fixtures import SPEC

CRD = "manifests/crd/datajobs.datajob.io.yaml"
JOB = yaml.safe_dump(
    {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "clean"}, "spec": {**SPEC, "suspend": False}}
)
KEPT = ("phase", "rayJobName", "runId", "attempt", "attempts", "failures", "started", "finished", "output", "progress")


def install_crd(cluster: Cluster, sources: Path, *, with_defaults: bool) -> None:
    """Install the CRD and wait until the API server uses it."""
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(sources / CRD))

    def is_used() -> bool:
        stored = yaml.safe_load(cluster.kubectl("create", "--dry-run=server", "-o", "yaml", "-f", "-", stdin=JOB))
        return ("head" in stored["spec"]["resources"]) is with_defaults

    wait_for(is_used, "the API server to use the CRD")


def facts(jobs: Jobs) -> dict[str, Any]:
    """What must survive: the run and its attempts, and the identity of its RayJobs."""
    status = jobs.status()
    ray_jobs = {one["metadata"]["name"]: one["metadata"]["uid"] for one in jobs.api.list("rayjobs", jobs.namespace)}
    return {**{key: status.get(key) for key in KEPT}, "ray jobs": ray_jobs}


def observed(jobs: Jobs) -> bool:
    found = jobs.get()
    return bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])


@pytest.fixture
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpacked(tmp_path_factory.mktemp("earlier"))


def test_an_upgrade_and_the_way_back_restart_nothing(api: Api, control_plane: Cluster, start: Start, earlier: Path) -> None:
    every = {phase: Jobs(api, api.create_namespace("upgrade")) for phase in PHASES}
    watched = {"DATAJOB_NAMESPACES": ",".join(jobs.namespace for jobs in every.values())}
    install_crd(control_plane, earlier, with_defaults=True)
    try:
        old = start(PYTHONPATH=python_path(earlier), **watched)
        for phase, jobs in every.items():
            control_plane.kubectl("-n", jobs.namespace, "apply", "-f", "-", stdin=JOB)
            jobs.reach(phase)
        before = {phase: facts(jobs) for phase, jobs in every.items()}
        old.stop()
    finally:
        install_crd(control_plane, ROOT, with_defaults=False)
    new = start(**watched)
    wait_for(lambda: all("specDigests" in jobs.status() for jobs in every.values()), "the records of all runs")
    assert {phase: facts(jobs) for phase, jobs in every.items()} == before

    for phase, jobs in every.items():  # the lists of the stored objects lose their defaults
        if phase != "Suspended":  # applying the file again would resume it
            assert "configured" in control_plane.kubectl("-n", jobs.namespace, "apply", "-f", "-", stdin=JOB)
            assert "unchanged" in control_plane.kubectl("-n", jobs.namespace, "apply", "-f", "-", stdin=JOB)
    wait_for(lambda: all(map(observed, every.values())), "the controller to observe the new generation")
    assert {phase: facts(jobs) for phase, jobs in every.items()} == before
    new.stop()

    back = start(PYTHONPATH=python_path(earlier), **watched)
    wait_for(back.leads, "the earlier controller to lead")
    for jobs in every.values():
        jobs.edit(ttlSecondsAfterFinished=9999)
    wait_for(lambda: all(map(observed, every.values())), "the earlier controller to observe the edits")
    assert {phase: facts(jobs) for phase, jobs in every.items()} == before
