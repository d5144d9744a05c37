"""The project's own images, built from the very Dockerfiles that are shipped, on a base that can be had here."""

from pathlib import Path

from tests.cluster import images

ROOT = Path(__file__).parents[2]
CONTROLLER = "localhost/datajob-controller:test"
WORKLOAD = "localhost/datajob-workload:test"
WORKLOAD_CPU = "localhost/datajob-workload:test-cpu"


def build_controller(image: str = CONTROLLER) -> str:
    """The controller's image."""
    images.build(image, ROOT, ROOT / "controller" / "Dockerfile", images.base_arguments())
    return image


def build_workload(image: str = WORKLOAD) -> str:
    """The slim workload image for text, without torch."""
    arguments = {"VARIANT": "text", **images.base_arguments()}
    images.build(image, ROOT, ROOT / "workloads" / "Dockerfile", arguments)
    return image


def build_workload_cpu() -> str:
    """The workload image for models on the CPU. Without Docker its torch comes from where all packages come from: 7 GB."""
    base = images.base_arguments()
    arguments = {"VARIANT": "cpu", **base, **({"TORCH_BACKEND": ""} if base else {})}
    images.build(WORKLOAD_CPU, ROOT, ROOT / "workloads" / "Dockerfile", arguments)
    return WORKLOAD_CPU
