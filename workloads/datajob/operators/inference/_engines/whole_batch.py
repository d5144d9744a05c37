"""The answers that a model generates together from their first token to their last one, for models whose rows cannot join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference._engines.next_tokens import choose_tokens
from datajob.operators.inference._engines.served_answers import ServedAnswer


class WholeBatch:
    """A batch of the offline step whose tokens are sent as they are generated. A row that ends early is free at its end."""

    def __init__(self, generator: Generator) -> None:
        self.answers: list[ServedAnswer] = []
        self.rows = generator.limits.rows
        self._generator = generator

    def parts(self, answers: list[ServedAnswer]) -> list[list[ServedAnswer]]:
        """The answers in groups whose prompts are processed one after the other: a single one."""
        return [answers]

    def join(self, answers: Sequence[ServedAnswer], inputs: Any) -> None:
        """Generate all answers."""
        self.answers = list(answers)
        try:
            inputs = self._generator.on_device(inputs)
            self._generator.generate(inputs, max(answer.new_tokens for answer in answers), self._next)
        finally:
            self.answers = []

    def step(self) -> None:
        """Nothing: `join` takes all steps."""

    def leave(self) -> None:
        """Nothing: `join` removes all answers."""

    def _next(self, tokens: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores that permit only the chosen token of each row, and the end of rows that need no more tokens."""
        chosen = choose_tokens(self.answers, scores, scores, self._generator)
        end = min(self._generator.ends)
        best = [token if answer.active else end for token, answer in zip(chosen, self.answers, strict=True)]
        only = torch.full_like(scores, float("-inf"))
        return only.scatter_(-1, torch.tensor(best, device=scores.device).unsqueeze(1), 0.0)
