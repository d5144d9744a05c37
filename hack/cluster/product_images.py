"""The project's own images, built from the very Dockerfiles that are shipped, on a base that can be had here."""

from pathlib import Path

from hack.cluster import images

ROOT = Path(__file__).parents[2]
CONTROLLER = "localhost/datajob-controller:test"
WORKLOAD = "localhost/datajob-workload:test"


def build_controller(image: str = CONTROLLER) -> str:
    """The controller's image."""
    images.build(image, ROOT, ROOT / "controller" / "Dockerfile", images.base_arguments())
    return image


def build_workload(image: str = WORKLOAD, variant: str = "text", engine: str = "transformers") -> str:
    """The workload image of a variant: `text` is slim, `cpu` has torch."""
    base = images.base_arguments()
    if base and variant == "cpu":
        base["TORCH_BACKEND"] = ""  # torch from where all packages come from: 7 GB
    arguments = {"VARIANT": variant, "ENGINE": engine, **base}
    images.build(image, ROOT, ROOT / "workloads" / "Dockerfile", arguments)
    return image
