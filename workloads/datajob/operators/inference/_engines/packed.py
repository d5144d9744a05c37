"""Faster float32 matrix products on CPUs that MKL does not fully use.

torch multiplies float32 matrices with MKL, which only uses AVX2 on AMD processors. oneDNN, which torch also contains, uses
AVX-512 there and packs the weights once. The faster one is determined by measurement. Both compute in float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ROWS = 64
"""Number of rows of the measured product, for which weights are also packed."""
WORTH = 1.15
"""Pack the weights if oneDNN is faster by this factor."""


def pack_linears(model: torch.nn.Module) -> bool:
    """Replace the linear layers of a float32 model on the CPU if that is faster; True if they were replaced.

    The original weights are given back, except where another layer shares them.
    """
    import torch

    linears = [m for m in model.modules() if type(m) is torch.nn.Linear]
    sound = [m for m in linears if m.weight.dtype == torch.float32 and m.weight.device.type == "cpu"]
    if not sound or not _quicker(max(sound, key=lambda m: m.weight.numel())):
        return False
    for linear in sound:
        product = _packed(linear)
        vars(linear)["forward"] = product
        linear.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    return True


def _packed(linear: torch.nn.Linear) -> Callable[[torch.Tensor], torch.Tensor]:
    """The product of the layer, with its weights in the layout of oneDNN."""
    import torch

    weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
    bias = None if linear.bias is None else linear.bias.detach()

    def product(x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return y

    return product


def _quicker(linear: torch.nn.Linear) -> bool:
    import torch

    try:
        with torch.inference_mode():
            x = torch.randn(ROWS, linear.in_features)
            packed = _packed(linear)
            if not torch.allclose(packed(x), linear(x), atol=1e-3, rtol=1e-3):
                return False
            return _seconds(linear, x) > WORTH * _seconds(packed, x)
    except (AttributeError, NotImplementedError, RuntimeError):  # a torch without these operators
        return False


def _seconds(layer: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """The minimum processor time of three calls, so that other load does not affect it."""
    best = float("inf")
    for _ in range(3):
        started = time.thread_time()
        layer(x)
        best = min(best, time.thread_time() - started)
    return best
