"""Clusters on machines with Docker: kind with the nodes in kind-config.yaml."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.build import cache
from hack.cluster.cluster import Cluster
from hack.cluster.images import docker_runs
from hack.cluster.kinds import CONFIG
from hack.cluster.versions import KUBERAY

NAME = "datajob"
_KUBERAY = "github.com/ray-project/kuberay/ray-operator/config"


@dataclass(frozen=True)
class KindCluster(Cluster):
    """The kind cluster of this project."""

    def kuberay(self, part: str) -> str:
        return f"{_KUBERAY}/{part}?ref={KUBERAY}"

    def load(self, image: str) -> None:
        _kind("load", "docker-image", image)

    def remove(self) -> None:
        down()


def usable() -> bool:
    """Whether this machine has Docker, kind and kubectl."""
    return bool(shutil.which("kind") and shutil.which("kubectl")) and docker_runs()


def kubeconfig() -> Path:
    """The path of the kubeconfig while the cluster is running."""
    return cache() / "kind.kubeconfig"


def runs() -> bool:
    """Whether the cluster is running."""
    listed = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True)
    return NAME in listed.stdout.split()


def handle() -> KindCluster:
    """The cluster, which another process may have started."""
    return KindCluster(kubeconfig(), "kubectl")


def up() -> KindCluster:
    """Start the cluster if it is not running, and wait until it is ready."""
    kubeconfig().parent.mkdir(parents=True, exist_ok=True)
    if not runs():
        _kind("create", "cluster", "--config", str(CONFIG), "--kubeconfig", str(kubeconfig()))
    cluster = handle()
    cluster.wait_until_ready()
    cluster.finish_node()
    return cluster


def down() -> None:
    """Delete the cluster."""
    _kind("delete", "cluster", "--kubeconfig", str(kubeconfig()))
    kubeconfig().unlink(missing_ok=True)


def _kind(*arguments: str) -> None:
    done = subprocess.run(["kind", *arguments, "--name", NAME], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"kind {arguments[0]} failed:\n{done.stdout}")
