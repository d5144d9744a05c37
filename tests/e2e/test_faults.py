"""Lost pods and controllers, suspension and deletion, while a real job runs."""

import time

from hack.cluster.cluster import Cluster
from hack.cluster.product_images import CONTROLLER
from hack.cluster.s3 import ClusterS3
from hack.cluster.waiting import wait_for
from tests.support.install import SYSTEM
from tests.support.node_jobs import DOCUMENTS, NodeJobs


def rows(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> int:
    """The number of rows in the result of the slow job."""
    import pyarrow.parquet as pq

    with s3_in_cluster.files() as files:
        return int(pq.read_table(f"datasets/{jobs.namespace}/", filesystem=files).num_rows)


def test_a_killed_head_costs_an_attempt_but_no_row(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> None:
    jobs.slow(seconds_per_batch=0.3)
    jobs.wait_running()
    (head,) = jobs.heads()
    jobs.api.delete("pods", jobs.namespace, head["metadata"]["name"])
    status = jobs.wait_end("slow")
    assert status["phase"] == "Complete", jobs.describe()
    assert [attempt["reason"] for attempt in status["attempts"]] == ["HeadLost"] or status["attempts"][0][
        "reason"
    ] == "HeadFailed"
    assert rows(jobs, s3_in_cluster) == DOCUMENTS


def test_a_killed_worker_costs_neither_an_attempt_nor_a_row(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> None:
    jobs.slow(seconds_per_batch=0.5)
    jobs.wait_running()
    (worker,) = jobs.pods(**{"ray.io/node-type": "worker"})
    jobs.api.delete("pods", jobs.namespace, worker["metadata"]["name"])
    status = jobs.wait_end("slow")
    assert status["phase"] == "Complete", jobs.describe()
    assert status["failures"] == 0, jobs.describe()
    assert rows(jobs, s3_in_cluster) == DOCUMENTS


def test_killing_the_controller_does_not_affect_a_job(jobs: NodeJobs, installed: Cluster) -> None:
    jobs.slow(seconds_per_batch=0.3)
    jobs.wait_running()
    installed.kubectl("-n", SYSTEM, "delete", "pods", "--all", "--grace-period=0", "--force")
    status = jobs.wait_end("slow")
    assert (status["phase"], status["attempt"], status["failures"]) == ("Complete", 1, 0)


def test_a_suspended_job_frees_its_pods_and_can_be_resumed(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> None:
    jobs.slow(seconds_per_batch=0.3)
    jobs.wait_running()
    jobs.edit("slow", suspend=True)
    wait_for(lambda: not jobs.pods(), "the pods to go", 60)
    assert jobs.status("slow")["phase"] == "Suspended"
    jobs.edit("slow", suspend=False)
    status = jobs.wait_end("slow")
    assert (status["phase"], status["attempt"], status["failures"]) == ("Complete", 2, 0)
    assert rows(jobs, s3_in_cluster) == DOCUMENTS


def test_a_job_that_is_deleted_while_it_runs_leaves_nothing_after_a_minute(jobs: NodeJobs) -> None:
    jobs.slow()
    jobs.wait_running()
    jobs.api.delete("datajobs", jobs.namespace, "slow")
    began = time.monotonic()
    wait_for(lambda: not jobs.owned() and not jobs.pods(), f"everything to go: {jobs.owned()}", 60)
    assert jobs.api.list("rayclusters", jobs.namespace) == []
    assert time.monotonic() - began < 60


def test_a_missing_image_fails_the_job_and_is_named(jobs: NodeJobs) -> None:
    jobs.slow(runtime={"image": "localhost/no-such-image:1"}, retry={"limit": 0})
    status = jobs.wait_end("slow", minutes=3)
    assert status["phase"] == "Failed"
    assert jobs.condition("Failed", "slow")["reason"] == "ImagePullFailed"
    assert "localhost/no-such-image:1" in jobs.condition("Failed", "slow")["message"]
    assert "ImagePullFailed" in jobs.events("slow")


def test_a_head_that_cannot_run_ray_fails_the_job_with_its_last_output(jobs: NodeJobs) -> None:
    jobs.slow(runtime={"image": CONTROLLER}, retry={"limit": 1, "backoffSeconds": 1})
    status = jobs.wait_end("slow", minutes=4)
    assert status["phase"] == "Failed"
    assert [attempt["reason"] for attempt in status["attempts"]] == ["InvalidImage"]
    assert "ray: command not found" in status["attempts"][0]["message"]
    wait_for(lambda: not jobs.pods(), "the pods to go", 60)
