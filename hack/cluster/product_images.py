"""The images of the project, built from the shipped Dockerfiles on a base image that is available on this machine."""

from pathlib import Path

from hack.cluster import images

ROOT = Path(__file__).parents[2]
CONTROLLER = "localhost/datajob-controller:test"
WORKLOAD = "localhost/datajob-workload:test"


def build_controller(image: str = CONTROLLER) -> str:
    """Build the controller image."""
    images.build(image, ROOT, ROOT / "controller" / "Dockerfile", images.base_arguments())
    return image


def build_workload(image: str = WORKLOAD, variant: str = "text", engine: str = "transformers") -> str:
    """Build a workload image: `text` is slim, `cpu` contains torch."""
    base = images.base_arguments()
    if base and variant == "cpu":
        base["TORCH_BACKEND"] = ""  # torch from the default index (7 GB)
    arguments = {"VARIANT": variant, "ENGINE": engine, **base}
    images.build(image, ROOT, ROOT / "workloads" / "Dockerfile", arguments)
    return image
