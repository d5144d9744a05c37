"""Records the objects that this version of the controller leaves in an API server, for tests of later upgrades.

`python -m tests.support.upgrade_fixtures FOLDER` starts a control plane, brings a DataJob to each phase and writes one file per
phase: the DataJob, followed by the objects that it owns.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from datajob_controller.datajob.names import report_config, run_of_rayjob
from hack.cluster import bare
from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api, connect
from tests.support.api_jobs import OWNED, PHASES, Jobs
from tests.support.controller_process import ROOT, ControllerProcess, account_kubeconfig
from tests.support.reports import report

CRD = ROOT / "manifests" / "crd" / "datajobs.datajob.io.yaml"
SPEC: dict[str, Any] = {
    "sources": [{"parquet": {"paths": ["s3://lake/raw/"]}}],
    "steps": [
        {"gopherQuality": {"column": "text", "minStopWords": 0}},
        {"filter": {"where": "length(text) > 20"}},
        {"minhashDedup": {"column": "text", "threshold": 0.8}},
    ],
    "sink": {"parquet": {"path": "s3://lake/clean/", "mode": "overwrite"}},
    "rejects": {"path": "s3://lake/rejected/"},
    "errors": {"policy": "quarantine", "path": "s3://lake/failed/"},
    "runtime": {"envFrom": [{"secretRef": {"name": "s3"}}]},
    "resources": {"workers": {"min": 1, "max": 4, "cpu": "2"}},
    "retry": {"limit": 1, "backoffSeconds": 3600},
}
INVALID: dict[str, Any] = {"steps": [{"select": {"columns": ["id"]}}, {"gopherQuality": {"column": "text"}}]}
OUTPUT = {"manifest": "s3://lake/clean/_datajob/manifest.json", "files": 1, "bytes": 10, "rows": 90}
_DROPPED = ("managedFields", "annotations")


def main(folder: Path) -> None:
    """Record all phases."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CRD, folder / "crd.yaml")
    cluster = bare.up("control-plane", tied=True)
    try:
        cluster.install_kuberay_crds()
        cluster.apply_kustomization(str(ROOT / "manifests"))
        cluster.wait_until_established("datajobs.datajob.io")
        cluster.kubectl("-n", "datajob-system", "delete", "deployment/datajob-controller", "--wait=true")
        _record_with_controller(cluster, folder)
    finally:
        cluster.remove()


def _record_with_controller(cluster: Cluster, folder: Path) -> None:
    api = connect(cluster.kubeconfig)
    with tempfile.TemporaryDirectory() as scratch:
        env = {"KUBECONFIG": str(account_kubeconfig(api, cluster.kubeconfig, Path(scratch))), "DATAJOB_LEASE_SECONDS": "6"}
        controller = ControllerProcess(Path(scratch), "controller", env).start()
        try:
            wait_for(controller.leads, "the controller to lead")
            for phase in ("Pending", *PHASES):
                _record(Jobs(api, api.create_namespace("upgrade")), phase, folder)
        finally:
            controller.stop()


def _record(jobs: Jobs, phase: str, folder: Path) -> None:
    if phase == "Pending":
        jobs.apply(**{**SPEC, **INVALID})
        jobs.wait_condition("Stalled", "InvalidSpec")
    else:
        _bring_to(jobs, phase)
    objects = [jobs.get(), *_owned(jobs.api, jobs.namespace)]
    text = yaml.safe_dump_all([_stored(one) for one in objects], sort_keys=False, allow_unicode=True, width=120)
    (folder / f"{phase.lower()}.yaml").write_text(text)


def _bring_to(jobs: Jobs, phase: str) -> None:
    jobs.apply(**SPEC)
    if phase == "Starting":
        jobs.ray_job()
    else:
        name = jobs.set_running()["metadata"]["name"]
        state = "complete" if phase == "Complete" else "running"
        data = {"data": {"report.json": report(state, **({"output": OUTPUT} if phase == "Complete" else {}))}}
        jobs.api.patch("configmaps", jobs.namespace, report_config(run_of_rayjob(name)), data)
        wait_for(lambda: jobs.status().get("progress"), "progress in the status")
    match phase:
        case "Retrying":
            jobs.fails("Job entrypoint command failed with exit code 1, last available logs:\nboom")
        case "Suspended":
            jobs.edit(suspend=True)
        case "Complete":
            jobs.succeeds()
        case "Failed":
            jobs.fails("Job entrypoint command failed with exit code 3, last available logs:\nno such bucket")
    jobs.wait_phase(phase)


def _owned(api: Api, namespace: str) -> list[dict[str, Any]]:
    selector = "app.kubernetes.io/managed-by%3Ddatajob-controller"
    kinds = {"rayjobs": "RayJob", "configmaps": "ConfigMap", "serviceaccounts": "ServiceAccount", "roles": "Role"}
    kinds |= {"rolebindings": "RoleBinding", "networkpolicies": "NetworkPolicy"}
    return [{"kind": kinds[plural], **one} for plural in OWNED for one in api.list(plural, namespace, selector)]


def _stored(manifest: dict[str, Any]) -> dict[str, Any]:
    meta = {key: value for key, value in manifest["metadata"].items() if key not in _DROPPED}
    return {**manifest, "metadata": meta}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
