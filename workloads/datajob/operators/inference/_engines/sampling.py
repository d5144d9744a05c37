"""Sampling with separate random numbers per row: an answer does not depend on the other rows of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from datajob.operators.inference._engines.base import Options

if TYPE_CHECKING:
    import torch


class RowSampler:
    """A logits processor for greedy search: the largest of score + Gumbel noise is a sample of the softmax of the scores
    (Maddison, Tarlow, Minka: A* Sampling, 2014)."""

    def __init__(self, options: Options, seeds: Sequence[int], device: torch.device) -> None:
        import torch

        self._options = options
        self._generators = [torch.Generator(device=device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores whose maximum is the sampled token."""
        import torch

        kept = self._kept(scores.float() / self._options.temperature)
        noise = torch.stack([torch.empty_like(kept[0]).exponential_(generator=g).log_().neg_() for g in self._generators])
        return kept + noise

    def _kept(self, scores: torch.Tensor) -> torch.Tensor:
        """Scores with all tokens outside top-k and top-p at minus infinity."""
        import torch

        o = self._options
        if 0 < o.top_k < scores.shape[-1]:
            scores = scores.masked_fill(scores < scores.topk(o.top_k).values[:, -1:], float("-inf"))
        if o.top_p < 1.0:
            ordered, order = scores.sort(descending=True)
            share = ordered.softmax(-1)
            outside = share.cumsum(-1) - share >= o.top_p
            scores = scores.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), float("-inf"))
        return scores


class NanWatch:
    """A logits processor that records for which rows the model has computed NaN, whose maximum is an arbitrary token."""

    def __init__(self, choose: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None) -> None:
        self._choose = choose
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores, which `choose` can replace."""
        self._steps.append(scores.amax(-1).isnan())
        return scores if self._choose is None else self._choose(input_ids, scores)

    def failed(self, lengths: Sequence[int]) -> list[bool]:
        """Whether a token of each answer was chosen from NaN; `lengths` are those of the answers with their end tokens."""
        import torch

        steps = torch.stack(self._steps, dim=1).tolist()
        return [any(row[:length]) for row, length in zip(steps, lengths, strict=True)]
