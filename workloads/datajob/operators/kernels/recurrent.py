"""A recurrent layer, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from datajob.operators.kernels.jit import kernel
from datajob.operators.kernels.types import f32, read, void, write


@kernel(void(read(f32, 2), read(f32, 2), write(f32), write(f32), write(f32), write(f32, 2)))
def lstm(inputs: Any, weights: Any, hidden: Any, cell: Any, gates: Any, out: Any) -> None:
    """An LSTM cell (gates in the order input, forget, cell, output) for each row of `inputs`, which has the sums of its gates.

    `weights`: hidden x gates. `hidden` and `cell` are the state; `gates` is scratch memory; `out` receives the hidden states.
    """
    size, one = hidden.size, np.float32(1)
    for step in range(inputs.shape[0]):
        for k in range(4 * size):
            gates[k] = inputs[step, k]
        for j in range(size):
            value = hidden[j]
            row = weights[j]
            for k in range(4 * size):
                gates[k] += value * row[k]
        for j in range(size):
            enter = one / (one + np.exp(-gates[j]))
            forget = one / (one + np.exp(-gates[size + j]))
            leave = one / (one + np.exp(-gates[3 * size + j]))
            cell[j] = forget * cell[j] + enter * np.tanh(gates[2 * size + j])
            hidden[j] = leave * np.tanh(cell[j])
            out[step, j] = hidden[j]
