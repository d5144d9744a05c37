"""With Docker and kind, the same calls use kind. Programs that record their arguments replace both."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.cluster import images, kind
from hack.cluster.kinds import ACCELERATORS, CONFIG, node_labels

# `kubectl get nodes` knows one node with a GPU; everything else succeeds without a word.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
  *readyz*) printf ok ;;
  *"get nodes"*) echo '{"items": [{"metadata": {"name": "gpu", "labels": {"nvidia.com/gpu.product": "H100"}}}]}' ;;
esac
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "kind", "kubectl"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    images.docker_runs.cache_clear()
    yield tmp_path / "calls"
    images.docker_runs.cache_clear()


def test_a_kind_cluster_is_created_with_the_config_completed_and_deleted(calls: Path) -> None:
    assert kind.usable()
    cluster = kind.up()
    cluster.load("localhost/image:test")
    cluster.remove()
    said = calls.read_text()
    assert f"kind create cluster --config {CONFIG} --kubeconfig {cluster.kubeconfig} --name datajob" in said
    assert '--patch {"status": {"capacity": {"nvidia.com/gpu": "8"}}}' in said
    assert "kind load docker-image localhost/image:test --name datajob" in said
    assert said.splitlines()[-1].startswith("kind delete cluster")


def test_images_are_built_by_docker_on_the_public_base(calls: Path, tmp_path: Path) -> None:
    images.build("localhost/image:test", tmp_path, tmp_path / "Dockerfile", images.base_arguments())
    expected = f"docker build --file={tmp_path / 'Dockerfile'} --tag=localhost/image:test {tmp_path}"
    assert calls.read_text().splitlines()[-1] == expected


def test_the_config_has_one_control_plane_and_a_node_for_each_accelerator() -> None:
    nodes = yaml.safe_load(CONFIG.read_text())["nodes"]
    assert [node["role"] for node in nodes].count("control-plane") == 1
    for label in ACCELERATORS:
        assert sum(label in node.get("labels", {}) for node in nodes) == 1
    assert node_labels()["host-arch"] == "huawei-arm"
