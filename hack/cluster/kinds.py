"""What the kinds of clusters have in common: their names, and what `kind-config.yaml` says about nodes.

That file is the one place for the labels of nodes: kind spreads them over several nodes, the bare node has them all.
"""

from pathlib import Path
from typing import Literal

import yaml

Kind = Literal["control-plane", "node"]

CONFIG = Path(__file__).parents[2] / "kind-config.yaml"

# A label that nodes with accelerators have, and the resource that they offer.
ACCELERATORS = {"nvidia.com/gpu.product": "nvidia.com/gpu", "accelerator": "huawei.com/Ascend910"}


def node_labels() -> dict[str, str]:
    """The labels of all nodes of kind-config.yaml together."""
    config = yaml.safe_load(CONFIG.read_text())
    return {name: value for node in config["nodes"] for name, value in node.get("labels", {}).items()}
