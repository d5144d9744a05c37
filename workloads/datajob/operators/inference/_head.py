"""Heads on embeddings: linear layers, as the predictors of aesthetics by LAION have them."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_FILE = "model.safetensors"


class Head:
    """A chain of linear layers with one output."""

    def __init__(self, layers: list[tuple[Any, Any]], relu: bool) -> None:
        self._layers, self._relu = layers, relu
        self.inputs = int(layers[0][0].shape[1])

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for each vector."""
        import numpy as np

        found: Any = vectors
        for number, (weight, bias) in enumerate(self._layers, start=1):
            found = found @ weight.T + bias
            if self._relu and number < len(self._layers):
                found = np.maximum(found, 0)
        return np.asarray(found[:, 0], dtype=np.float32)


@lru_cache(8)
def load_head(path: str, relu: bool) -> Head:
    """The head in a file: a state dict of torch (.pth, .pt, .bin) or a .safetensors file. Raises InvalidJob."""
    file = _local(path)
    try:
        weights = _weights(file)
    except Exception as error:  # an unpickler raises anything
        raise InvalidJob(
            f"The head {path} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error
    layers = _layers({name: value for name, value in weights.items() if hasattr(value, "shape")})
    chained = all(after[0].shape[1] == before[0].shape[0] for before, after in pairwise(layers))
    if not layers or not chained or layers[-1][0].shape[0] != 1:
        raise InvalidJob(
            f"The head {path} is not a chain of linear layers with one output. Use a predictor in the form of LAION."
        )
    return Head(layers, relu)


def _local(path: str) -> Path:
    """The file: local, in a store, or of a repository of the Hub (`owner/name` or `owner/name/file`)."""
    from datajob.formats.storage import scheme_of
    from datajob.operators.files import local_copy

    local = Path(path).expanduser()
    if scheme_of(path) or path.startswith(("/", "./", "../", "~")) or local.exists():
        file = Path(local_copy(path))
        file = file / DEFAULT_FILE if file.is_dir() else file
        if not file.is_file():
            raise InvalidJob(f"The head {path} does not exist. Set `head` to a file that every worker can access.")
        return file
    from huggingface_hub import hf_hub_download

    owner, _, rest = path.partition("/")
    name, _, inside = rest.partition("/")
    try:
        return Path(hf_hub_download(f"{owner}/{name}", inside or DEFAULT_FILE))
    except Exception as error:
        raise InvalidJob(f"The head {path} cannot be loaded from the Hub: {' '.join(str(error).split())[:300]}") from error


def _weights(file: Path) -> Any:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    import torch

    found = torch.load(file, map_location="cpu", weights_only=True)
    return found.get("state_dict", found)


def _layers(weights: Any) -> list[tuple[Any, Any]]:
    """The weights and biases of the linear layers, in the order of their numbers."""
    names = [name for name in weights if re.search(r"(^|\.)weight$", name) and weights[name].ndim == 2]
    if any(name.startswith("layers.") for name in names):  # a complete model: the head and the model of images
        names = [name for name in names if name.startswith("layers.")]
    names.sort(key=lambda name: [int(part) if part.isdigit() else -1 for part in name.split(".")])
    found = []
    for name in names:
        weight, bias = weights[name].float().numpy(), weights.get(f"{name.removesuffix('weight')}bias")
        found.append((weight, 0.0 if bias is None else bias.float().numpy()))
    return found
