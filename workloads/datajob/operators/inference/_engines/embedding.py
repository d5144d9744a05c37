"""Embeddings with transformers, in batches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from datajob.operators.inference._engines.base import Answer, Request, RequestError
from datajob.operators.inference._engines.generating import Loaded


class Embedder(Loaded):
    """Computes a vector of length one per text."""

    def length(self, request: Request) -> int:
        """The number of tokens of the text, truncated at the maximum of the model."""
        if not request.prompt.strip():
            raise RequestError("the text is empty")
        return len(self.processor(request.prompt, truncation=True, max_length=self._most())["input_ids"])

    def tokens_of(self, request: Request) -> int:
        """The number of tokens of the whole text."""
        return len(self.processor(request.prompt)["input_ids"])

    @property
    def longest(self) -> int | None:
        """The maximum number of tokens that the model supports."""
        found: int | None = getattr(self.model.config, "max_position_embeddings", None)
        return found

    def _most(self) -> int:
        longest = self.longest or 1 << 20
        return min(self.settings.max_length or longest, longest)

    def prepare(self, requests: Sequence[Request]) -> tuple[Any, dict[int, RequestError]]:
        """The tokenized and padded texts."""
        texts = [r.prompt for r in requests]
        return self.processor(texts, padding=True, truncation=True, max_length=self._most(), return_tensors="pt"), {}

    def answer(self, requests: Sequence[Request], inputs: Any) -> list[Answer]:
        """The last hidden states, pooled and normalized."""
        import torch

        started = time.perf_counter()
        with torch.inference_mode():
            inputs = self.on_device(inputs)
            states = self.model(**inputs).last_hidden_state.float()
            mask = inputs["attention_mask"].unsqueeze(-1).float()
            if self.settings.pooling == "mean":
                pooled = (states * mask).sum(1) / mask.sum(1)
            else:
                at = torch.zeros(len(requests), dtype=torch.long, device=states.device)
                if self.settings.pooling == "last":
                    at = inputs["attention_mask"].sum(1) - 1
                pooled = states[torch.arange(len(requests), device=states.device), at]
            vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        share = (time.perf_counter() - started) / len(requests)
        tokens = inputs["attention_mask"].sum(1).tolist()
        return [Answer(tokens=int(n), seconds=share, vector=v) for n, v in zip(tokens, vectors, strict=True)]
