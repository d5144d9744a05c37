"""Time from `kubectl apply` to the result on a node, compared with RayJobs that do nothing, in each submission mode.

Requires root (or kind) and the images of the end-to-end tests. Uses the node of `make cluster-up` if it is running.
"""

import secrets
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import yaml

from benchmarks.figures import Figure, publish
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.types import Observed
from hack.cluster import bare, product_images, s3
from hack.cluster.sandbox import Sandbox
from hack.cluster.waiting import wait_for
from tests.support import install
from tests.support.api import Api, connect

RUNS = 3
MODES = ("HTTPMode", "K8sJobMode", "SidecarMode")
SAMPLE = install.ROOT / "manifests" / "samples" / "clean-docs-s3.yaml"
RESOURCES = {"head": {"cpu": "450m", "memory": "2Gi"}, "workers": {"min": 1, "max": 1, "cpu": "450m", "memory": "2Gi"}}
"""Leaves half a core for the submitter pod of K8sJobMode on a node with two cores."""
_PLURALS = {"ConfigMap": "configmaps", "ServiceAccount": "serviceaccounts", "RayJob": "rayjobs"}


def main() -> int:
    """Measure and print the results."""
    ran_before = Sandbox("node").alive()
    cluster = bare.up("node", tied=not ran_before)
    try:
        install.install(cluster)
        server = s3.deploy_with_documents(cluster)
        api = connect(cluster.kubeconfig)
        seconds: dict[str, list[float]] = {name: [] for name in (*MODES, "sample")}
        for _ in range(RUNS):  # alternating, so that changes in load affect all of them
            for mode in MODES:
                seconds[mode].append(_bare_ray_job(api, mode))
            seconds["sample"].append(_sample(api, server))
            print(
                "results so far:", {name: [round(value, 1) for value in values] for name, values in seconds.items()}, flush=True
            )
        publish(_figures({name: statistics.median(values) for name, values in seconds.items()}))
    finally:
        if not ran_before:
            cluster.remove()
    return 0


def _figures(medians: dict[str, float]) -> list[Figure]:
    nothing = medians["HTTPMode"]
    more = medians["sample"] - nothing
    modes = [
        Figure(f"RayJob that does nothing, {mode}", medians[mode], "s", "HTTPMode", medians[mode] / nothing) for mode in MODES
    ]
    return [
        *modes,
        Figure("sample: apply to result", medians["sample"], "s", "RayJob that does nothing", medians["sample"] / nothing),
        Figure("sample: overhead over a RayJob that does nothing", more, "s", "RayJob that does nothing", goal="<= 15"),
    ]


@contextmanager
def _namespace(api: Api) -> Iterator[str]:
    name = f"bench-{secrets.token_hex(3)}"
    api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    wait_for(lambda: api.get("serviceaccounts", name, "default"), "the service account of the namespace", 30)
    try:
        yield name
    finally:
        api.delete("namespaces", "", name)
        wait_for(lambda: api.get("namespaces", "", name) is None, f"the end of {name}", 180)


def _bare_ray_job(api: Api, mode: str) -> float:
    """Seconds until a RayJob like that of the sample, but with an empty entrypoint, has succeeded."""
    with _namespace(api) as namespace:
        job = _sample_job(namespace)
        job["metadata"] |= {"uid": "00000000-0000-4000-8000-000000000001", "generation": 1}
        job["spec"]["runtime"].pop("envFrom")
        settings = JobSettings.model_validate(
            {
                "submission_mode": mode,
                "image_cpu": product_images.WORKLOAD,
                "image_pull_policy": "Never",
                "network_policy": False,
            }
        )
        made = [one for one in decide(job, Observed(), datetime.now(UTC), settings).create if one["kind"] in _PLURALS]
        began = time.monotonic()
        for one in made:
            one["metadata"].pop("ownerReferences")
            one["metadata"].pop("labels")
            if one["kind"] == "RayJob":
                one["spec"]["entrypoint"] = "python -c pass"
            api.create(_PLURALS[one["kind"]], one)
        name = made[-1]["metadata"]["name"]
        wait_for(
            lambda: _status(api, "rayjobs", namespace, name).get("jobStatus") == "SUCCEEDED", f"{mode}: {name}", 400, every=0.1
        )
        return time.monotonic() - began


def _sample(api: Api, server: s3.ClusterS3) -> float:
    """Seconds until the result of the sample is complete."""
    with _namespace(api) as namespace:
        server.give_secret(namespace)
        job = _sample_job(namespace)
        began = time.monotonic()
        api.apply("datajobs", job)
        name = job["metadata"]["name"]
        wait_for(lambda: _status(api, "datajobs", namespace, name).get("phase") == "Complete", "the sample", 400, every=0.1)
        return time.monotonic() - began


def _sample_job(namespace: str) -> Manifest:
    job: dict[str, Any] = yaml.safe_load(SAMPLE.read_text())
    job["metadata"]["namespace"] = namespace
    job["spec"]["resources"] = RESOURCES
    return job


def _status(api: Api, plural: str, namespace: str, name: str) -> dict[str, Any]:
    return (api.get(plural, namespace, name) or {}).get("status") or {}


if __name__ == "__main__":
    sys.exit(main())
