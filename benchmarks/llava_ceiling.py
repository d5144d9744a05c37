"""Upper bound for images per second: the rate if the cores only computed the matrix products of the model.

    python -m benchmarks.llava_ceiling MODEL PHOTOS TOKENS

Prints one JSON line: `gflop` per image, `gflops` of all cores in float32 (the better of the two libraries of torch for the
largest layer of the model), and `rate`, the resulting images per second.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.llava_scripts import Script

ROWS = 2_048
"""Tokens in a batch of prompts."""
ROUNDS = 50
EVERY = 4
"""Operations are counted for every fourth image in file order."""


def gflop(script: Script, photos: Path) -> float:
    """10^9 operations per image. A multiplication and an addition count as two."""
    files = sorted(map(str, photos.iterdir()))[::EVERY]
    with FlopCounterMode(display=False) as counter:
        for file in files:
            script.answer([file])
    counted: int = counter.get_total_flops()
    return counted / len(files) / 1e9


def gflops(model: torch.nn.Module) -> float:
    """10^9 operations per second of all cores."""
    torch.set_num_threads(os.cpu_count() or 1)
    weight = max((m.weight for m in model.modules() if type(m) is torch.nn.Linear), key=lambda w: w.numel()).detach()
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
    x = torch.randn(ROWS, weight.shape[1])
    work: float = 2 * ROWS * weight.numel() / 1e9
    with torch.inference_mode():
        products: tuple[Callable[[], torch.Tensor], ...] = (
            lambda: x @ weight.T,
            lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""),
        )
        best = min(seconds(product) for product in products for _ in range(ROUNDS))
    return work / best


def seconds(product: Callable[[], torch.Tensor]) -> float:
    """Duration of one call."""
    began = time.perf_counter()
    product()
    return time.perf_counter() - began


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    folder, photos, tokens = sys.argv[1:4]
    script = Script(folder, int(tokens))
    work, speed = gflop(script, Path(photos)), gflops(script.model)
    print(json.dumps({"gflop": work, "gflops": speed, "rate": speed / work}))
