"""Lost pods and controllers, suspension and deletion, while a real job runs."""

from pathlib import Path

from hack.cluster.cluster import Cluster
from hack.cluster.product_images import CONTROLLER
from hack.cluster.s3 import ClusterS3
from hack.cluster.waiting import wait_for
from tests.support.install import SYSTEM
from tests.support.node_jobs import DOCUMENTS, NodeJobs
from tests.support.terminal import Terminal, documented


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


def test_a_running_job_shows_its_log_and_its_dashboard_and_survives_the_controller(
    jobs: NodeJobs, installed: Cluster, s3_in_cluster: ClusterS3, tmp_path: Path
) -> None:
    jobs.slow(seconds_per_batch=0.5)
    jobs.wait_running()
    installed.kubectl("-n", SYSTEM, "delete", "pods", "--all", "--grace-period=0", "--force")
    terminal = Terminal(jobs, tmp_path)
    wait_for(lambda: "rows read" in terminal.run("datajob logs slow").stdout, "the log in the head pod")
    see_dashboard(terminal)
    jobs.cluster.kubectl("-n", jobs.namespace, "create", "rolebinding", "bob", "--clusterrole=view", "--user=bob")
    reader = Terminal(jobs, tmp_path, "bob")
    denied = reader.run("datajob logs slow").stderr
    assert "pods/exec" in denied and "Ask for the permission" in denied
    status = jobs.wait_end("slow")
    assert (status["phase"], status["attempt"], status["failures"]) == ("Complete", 1, 0)
    with s3_in_cluster.forwarded() as environment:
        stored = reader.run("datajob logs slow", **environment)
    assert f"{DOCUMENTS} written" in stored.stdout, stored.stderr


def see_dashboard(terminal: Terminal) -> None:
    """Run the documented commands for the dashboard, with a free local port."""
    script = documented("kubernetes.md", "Logs and the Ray dashboard", 2).replace("clean-docs", "slow")
    with terminal.running(script.replace(" 8265", " :8265")) as process:
        assert process.stdout
        token, line = process.stdout.readline().strip(), process.stdout.readline()
        port = line.split("127.0.0.1:")[1].split()[0]
        call = f'curl --silent --max-time 60 -H "Authorization: Bearer {token}" http://localhost:{port}/api/jobs/'
        answer = terminal.run(call).stdout
        assert "datajob.cluster.run" in answer, (line, answer)
        assert "authentication token" in terminal.run(call.replace(token, "wrong")).stdout


def test_a_suspended_job_frees_its_pods_and_can_be_resumed(jobs: NodeJobs, s3_in_cluster: ClusterS3) -> None:
    jobs.slow(seconds_per_batch=0.3)
    jobs.wait_running()
    jobs.edit("slow", suspend=True)
    wait_for(lambda: not jobs.pods(), "the pods to go", 240)
    jobs.wait_phase("Suspended", "slow")
    jobs.edit("slow", suspend=False)
    status = jobs.wait_end("slow")
    assert status["phase"] == "Complete"
    # The suspended attempt is no failure. A loaded machine can cost another attempt.
    assert status["attempt"] >= 2 and status["failures"] + status.get("disruptions", 0) == status["attempt"] - 2
    assert rows(jobs, s3_in_cluster) == DOCUMENTS


def test_a_job_that_is_deleted_while_it_runs_leaves_nothing(jobs: NodeJobs) -> None:
    jobs.slow()
    jobs.wait_running()
    jobs.api.delete("datajobs", jobs.namespace, "slow")
    wait_for(lambda: not jobs.owned() and not jobs.pods(), f"everything to go: {jobs.owned()}", 240)
    wait_for(lambda: not jobs.api.list("rayclusters", jobs.namespace), "the RayCluster to go")


def test_a_missing_image_fails_the_job_and_is_named(jobs: NodeJobs) -> None:
    jobs.slow(runtime={"image": "localhost/no-such-image:1"}, retry={"limit": 0})
    status = jobs.wait_end("slow", minutes=8)
    assert status["phase"] == "Failed"
    assert jobs.condition("Failed", "slow")["reason"] == "ImagePullFailed"
    assert "localhost/no-such-image:1" in jobs.condition("Failed", "slow")["message"]
    jobs.wait_event("ImagePullFailed", "slow")


def test_a_head_that_cannot_run_ray_fails_the_job_with_its_last_output(jobs: NodeJobs) -> None:
    jobs.slow(runtime={"image": CONTROLLER}, retry={"limit": 1, "backoffSeconds": 1})
    status = jobs.wait_end("slow", minutes=8)
    assert status["phase"] == "Failed"
    assert [attempt["reason"] for attempt in status["attempts"]] == ["InvalidImage"]
    assert "ray: command not found" in status["attempts"][0]["message"]
    wait_for(lambda: not jobs.pods(), "the pods to go", 240)
