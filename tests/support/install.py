"""Installs the chart on a node as a user would, except that the images are loaded directly."""

import subprocess
from pathlib import Path

from hack.cluster import product_images
from hack.cluster.build import binary
from hack.cluster.cluster import Cluster

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "datajob-operator"
SYSTEM = "datajob-system"


def install(cluster: Cluster) -> None:
    """Build and load the images, install the chart and wait for the controller."""
    for image in (product_images.build_controller(), product_images.build_workload()):
        cluster.load(image)
    repository, tag = product_images.CONTROLLER.rsplit(":", 1)
    values = {
        "image.repository": repository,
        "image.tag": tag,
        "image.pullPolicy": "Never",
        "workload.cpu": product_images.WORKLOAD,
        "workload.gpu": product_images.WORKLOAD,
        "workload.npu": product_images.WORKLOAD,
        "workload.pullPolicy": "Never",
        "settings.image_pull_seconds": "30",
        "settings.obstacle_seconds": "30",
        "settings.scheduling_seconds": "90",
        "settings.autoscaler_idle_seconds": "10",
        "resources.requests.cpu": "20m",
    }
    sets = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    helm(cluster, "upgrade", "--install", "datajob", str(CHART), "--create-namespace", *sets)
    cluster.wait_until_established("datajobs.datajob.io")
    cluster.kubectl("-n", SYSTEM, "rollout", "restart", "deployment/datajob-controller")
    cluster.kubectl("-n", SYSTEM, "rollout", "status", "deployment/datajob-controller", "--timeout=600s")


def helm(cluster: Cluster, *arguments: str) -> str:
    """Run helm on a cluster."""
    command = [str(binary("helm")), *arguments, "--namespace", SYSTEM, "--kubeconfig", str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
