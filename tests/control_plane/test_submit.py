"""`datajob submit` on a real API server with a real controller; the test writes the status of RayJobs."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import datajob
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import SECONDS, wait_for
from tests.docs.test_orchestrators import workflow
from tests.support.api import Api
from tests.support.api_jobs import Jobs
from tests.support.controller_process import account_kubeconfig
from tests.support.gate import Gate
from tests.support.reports import report

pytestmark = pytest.mark.usefixtures("controller")
MANIFEST = "s3://lake/out/_datajob/manifest.json"
Submit = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def submit(jobs: Jobs, control_plane: Cluster, tmp_path: Path) -> Iterator[Submit]:
    """Starts `datajob submit` for the job `clean` in the namespace of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, kubeconfig: Path | None = None, **spec: Any) -> subprocess.Popen[str]:
        file = tmp_path / "job.yaml"
        manifest = jobs.manifest(**spec)
        del manifest["metadata"]["namespace"]
        file.write_text(yaml.safe_dump(manifest))
        command = [sys.executable, "-m", "datajob.cli", "submit", str(file), "-n", jobs.namespace, *options]
        env = {**os.environ, "KUBECONFIG": str(kubeconfig or control_plane.kubeconfig)}
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read what the command prints until a line contains a text."""
    assert process.stderr is not None
    while text not in (line := process.stderr.readline()):
        assert line, "the command ended"


def assert_conditions_of_argo(job: dict[str, Any], *, success: bool, failure: bool) -> None:
    """The conditions of the Workflow in the documentation, as Argo evaluates them: requirements on scalar fields by path."""
    (template,) = workflow()["spec"]["templates"]
    for kind, wanted in (("success", success), ("failure", failure)):
        path, operator, values = template["resource"][f"{kind}Condition"].split(" ", 2)
        assert operator in ("==", "in")
        found: Any = job
        for key in path.split("."):
            found = found[key]
        assert (found in re.findall(r"\w+", values)) is wanted


def test_it_follows_the_job_and_prints_the_manifest_of_the_result(submit: Submit, jobs: Jobs) -> None:
    process = submit("--wait")
    name = f"{jobs.set_running()['metadata']['name'].rpartition('-')[0]}-report"
    output = {"manifest": MANIFEST, "files": 1, "bytes": 10, "rows": 90}
    jobs.api.patch("configmaps", jobs.namespace, name, {"data": {"report.json": report("complete", output=output)}})
    jobs.succeeds()
    code, out, err = ended(process)
    assert (code, out) == (0, f"{MANIFEST}\n"), err
    assert ": created" in err and "Complete" in err
    code, out, err = ended(submit("--wait"))  # as a workflow does that repeats a task
    assert (code, out) == (0, f"{MANIFEST}\n") and ": unchanged" in err
    assert_conditions_of_argo(jobs.get(), success=True, failure=False)
    assert len(jobs.api.list("rayjobs", jobs.namespace)) <= 1


@pytest.mark.parametrize(("code", "error"), [(3, "InputError"), (5, "RowsFailed"), (4, "SinkError")])
def test_the_exit_code_is_that_of_the_driver(submit: Submit, jobs: Jobs, code: int, error: str) -> None:
    process = submit("--wait", "-o", "json", retry={"limit": 0})
    jobs.fails(f"Job entrypoint command failed with exit code {code}, last available logs:\nno such bucket")
    found, out, err = ended(process)
    assert (found, out) == (code, "") and error in err and "no such bucket" in err
    assert_conditions_of_argo(jobs.get(), success=False, failure=True)


def test_a_deadline_and_a_deletion_have_a_separate_exit_code(submit: Submit, jobs: Jobs) -> None:
    process = submit("--wait")
    jobs.ray_job()
    jobs.api.delete("datajobs", jobs.namespace, "clean")
    code, _, err = ended(process)
    assert code == 10 and "was deleted" in err
    code, _, err = ended(submit("--wait", deadlineSeconds=2))
    assert code == 10 and "DeadlineExceeded" in err


def test_after_its_timeout_the_job_continues(submit: Submit, jobs: Jobs) -> None:
    code, _, err = ended(submit("--wait", "--timeout", "1s"))
    assert code == 10 and "continues on the cluster" in err
    assert jobs.ray_job()


def test_sigterm_suspends_the_job_on_request_and_the_next_submission_resumes_it(submit: Submit, jobs: Jobs) -> None:
    process = submit("--wait", "--on-termination", "suspend")
    jobs.set_running()
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process)
    assert code == 143 and "is suspended" in err
    jobs.wait_phase("Suspended")
    process = submit("--wait")
    jobs.succeeds(attempt=2)
    assert ended(process)[0] == 0


def test_ctrl_c_leaves_the_job(submit: Submit, jobs: Jobs) -> None:
    process = submit("--wait")
    jobs.set_running()
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130 and "continues on the cluster" in err and "Traceback" not in err
    assert "suspend" not in jobs.get()["spec"]


def test_a_run_id_runs_the_job_again_once(submit: Submit, jobs: Jobs) -> None:
    def ray_job_after(*options: str) -> str:
        code, out, err = ended(submit("-o", "json", *options))
        assert code == 0, err
        generation = jobs.get()["metadata"]["generation"]
        wait_for(lambda: jobs.status().get("observedGeneration") == generation, "the controller to see the spec")
        return f"{json.loads(out)['change']} {jobs.get()['spec'].get('restart')} {jobs.ray_job()['metadata']['uid']}"

    first = ray_job_after("--run-id", "monday")
    assert "'id': 'monday'" in first
    assert ray_job_after("--run-id", "monday").split(" ", 1)[1] == first.split(" ", 1)[1]
    assert ray_job_after().split(" ", 1)[1] == first.split(" ", 1)[1]  # and without one, the run stays the same
    assert ray_job_after("--run-id", "tuesday").split()[-1] != first.split()[-1]


def test_fields_that_another_tool_manages_are_not_overwritten(submit: Submit, jobs: Jobs) -> None:
    jobs.apply()
    code, _, err = ended(submit(deadlineSeconds=77, retry={"limit": 5}))
    assert code == 2 and "another tool manages" in err and "--force-conflicts" in err
    assert jobs.get()["spec"]["retry"]["limit"] == 2
    assert ended(submit("--force-conflicts", retry={"limit": 5}))[0] == 0
    assert jobs.get()["spec"]["retry"]["limit"] == 5


def test_missing_permissions_namespaces_and_clusters_are_named(
    submit: Submit, jobs: Jobs, tmp_path: Path, api: Api, control_plane: Cluster
) -> None:
    code, _, err = ended(submit("-n", "no-such-namespace"))
    assert code == 9 and "no-such-namespace" in err
    (tmp_path / "none.kubeconfig").write_text("{}")
    code, _, err = ended(submit(kubeconfig=tmp_path / "none.kubeconfig"))
    assert code == 9 and "kubeconfig" in err and "Traceback" not in err
    wait_for(lambda: api.get("serviceaccounts", jobs.namespace, "default"), "the service account of the namespace")
    account = account_kubeconfig(api, control_plane.kubeconfig, tmp_path, account=(jobs.namespace, "default"))
    code, _, err = ended(submit(kubeconfig=account))
    assert code == 9 and "no permission to get datajobs" in err
    assert not jobs.get()


def test_an_outage_of_the_api_server_does_not_end_the_wait(
    submit: Submit, jobs: Jobs, gate: Gate, tmp_path: Path, control_plane: Cluster
) -> None:
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{gate.port}"
    through = tmp_path / "gate.kubeconfig"
    through.write_text(yaml.safe_dump(config))
    process = submit("--wait", kubeconfig=through)
    read_until(process, ": created")
    gate.shut()
    jobs.set_running()
    read_until(process, "cannot be reached")
    gate.open()
    jobs.succeeds()
    assert ended(process)[0] == 0


def test_python_submits_and_waits(jobs: Jobs, control_plane: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    job = datajob.submit(jobs.manifest())
    assert (job.change, job.namespace) == ("created", jobs.namespace)
    with pytest.raises(datajob.NotComplete, match="continues on the cluster"):
        job.wait(timeout=0)
    jobs.ray_job()
    job.suspend()
    jobs.wait_phase("Suspended")
    job.resume()
    jobs.succeeds(attempt=2)
    assert job.wait(timeout=SECONDS)["phase"] == "Complete"
    job.delete()
    wait_for(lambda: not jobs.get(), "the DataJob to go")
    with pytest.raises(datajob.NotComplete, match="was deleted"):
        job.status()
