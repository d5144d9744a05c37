"""The project's own images, built from the very Dockerfiles that are shipped, on a base that can be had here."""

from pathlib import Path

from tests.cluster import images

ROOT = Path(__file__).parents[2]
CONTROLLER = "localhost/datajob-controller:test"
WORKLOAD = "localhost/datajob-workload:test"


def build_controller() -> str:
    """The controller's image."""
    images.build(CONTROLLER, ROOT, ROOT / "controller" / "Dockerfile", images.base_arguments())
    return CONTROLLER


def build_workload() -> str:
    """The slim workload image for text, without torch."""
    arguments = {"VARIANT": "text", **images.base_arguments()}
    images.build(WORKLOAD, ROOT, ROOT / "workloads" / "Dockerfile", arguments)
    return WORKLOAD
