"""Chooses the next token of each answer in a batch, and sends it to the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from datajob.operators.inference._engines.base import RequestError, not_finite
from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference._engines.served_answers import ServedAnswer, Token

if TYPE_CHECKING:
    import torch


def choose_tokens(
    answers: Sequence[ServedAnswer], logits: torch.Tensor, scores: torch.Tensor, generator: Generator
) -> list[int]:
    """The next tokens. Answers without a valid one fail; those that need no token get an arbitrary one.

    `logits`, `[rows, vocabulary]`, are those of the model, `scores` include the rules of its generation config.
    """
    values, indices = scores.max(-1)
    highest, best = values.tolist(), [int(index) for index in indices.tolist()]
    chosen: list[Token] = []
    for i, answer in enumerate(answers):
        if not answer.active:
            continue
        if highest[i] != highest[i]:
            answer.fail(not_finite("the next token"))
            continue
        probability = None
        if not answer.greedy:
            try:
                best[i], probability = answer.choose(logits[i : i + 1], scores[i : i + 1], generator.tokenizer)
            except RequestError as error:
                answer.fail(error)
                continue
        answer.count(best[i], generator.ends)
        chosen.append((answer, best[i], probability))
    ServedAnswer.send(chosen)
    return best
