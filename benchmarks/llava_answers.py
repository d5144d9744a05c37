"""CPU milliseconds per output by batch size and output length, with the key-value cache of transformers and with ours.

python -m benchmarks.llava_answers [MODEL]
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch

from benchmarks.figures import Figure, publish
from benchmarks.llava_scripts import PROMPT
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Answer, Request
from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference.llava import Llava
from tests.support.models.llava import make_llava
from tests.support.models.photos import jpeg

ROUNDS = 2
ROWS, TOKENS = (8, 16, 24), (32, 256)


class PlainGenerator(Generator):
    """With the cache of transformers."""

    def cache(self) -> dict[str, Any]:
        """Nothing: `generate` makes its own."""
        return {}


def milliseconds(generator: Generator, requests: list[Request], inputs: Any) -> tuple[float, list[str]]:
    """CPU milliseconds per output, and the texts."""
    began = time.thread_time()
    answers = [answer.text for answer in generator.answer(requests, dict(inputs)) if isinstance(answer, Answer)]
    return (time.thread_time() - began) / len(answers) * 1e3, answers


def measure(step: Llava, rows: int) -> Figure:
    """A batch of `rows` rows: the best of several alternating rounds."""
    ours, plain = (kind(step.settings(), Device("cpu", 1)) for kind in (Generator, PlainGenerator))
    requests = [Request(PROMPT, step.options(), (jpeg(i),)) for i in range(rows)]
    inputs, _ = ours.prepare(requests)
    found = [(milliseconds(plain, requests, inputs), milliseconds(ours, requests, inputs)) for _ in range(ROUNDS)]
    assert all(theirs[1] == own[1] for theirs, own in found)
    theirs, own = (min(one[side][0] for one in found) for side in (0, 1))
    name = f"outputs of {step.max_new_tokens} tokens, {rows} rows"
    return Figure(name, own, "ms", f"cache of transformers: {theirs:.0f}", theirs / own)


def main() -> None:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = sys.argv[1] if len(sys.argv) > 1 else str(make_llava(Path(folder), "mid"))
        publish([measure(Llava(model=model, max_new_tokens=tokens), rows) for tokens, rows in product(TOKENS, ROWS)])


if __name__ == "__main__":
    main()
