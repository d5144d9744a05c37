"""Common to all kinds of clusters: their names and the labels of nodes in `kind-config.yaml`.

kind distributes the labels over several nodes. The node without Docker has all of them.
"""

from pathlib import Path
from typing import Literal

import yaml

Kind = Literal["control-plane", "node"]

CONFIG = Path(__file__).parents[2] / "kind-config.yaml"

# Label of nodes with accelerators, and the resource that they advertise.
ACCELERATORS = {"nvidia.com/gpu.product": "nvidia.com/gpu", "accelerator": "huawei.com/Ascend910"}


def node_labels() -> dict[str, str]:
    """The labels of all nodes in kind-config.yaml."""
    config = yaml.safe_load(CONFIG.read_text())
    return {name: value for node in config["nodes"] for name, value in node.get("labels", {}).items()}
