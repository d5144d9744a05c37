"""The answers that a model generates together: new ones join between two tokens, and complete ones leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    SuppressTokensLogitsProcessor,
)
from transformers.cache_utils import DynamicCache

from datajob.operators.inference._engines.cache import GrowingLayer, growing_cache
from datajob.operators.inference._engines.generating import Generator
from datajob.operators.inference._engines.next_tokens import choose_tokens
from datajob.operators.inference._engines.served_answers import ServedAnswer

CPU_ROWS = 32
"""Twice the rows of offline batches: a step reads the weights once for all rows, and they join one after the other."""
PADDING = 100
"""Tokens of padding that take as long as another pass over the weights. Measured on a CPU with 2 cores."""
_ROW_BY_ROW = (RepetitionPenaltyLogitsProcessor, SuppressTokensLogitsProcessor)
"""Rules that do not depend on the length of the prompt."""


def can_join(model: Any) -> bool:
    """Whether rows of different age can share a batch of this model.

    Each row must count its positions, the cache must keep all tokens, and the rules of the generation config must apply to
    each row alone.
    """
    cache = growing_cache(model)
    if cache is None or not all(type(layer) is GrowingLayer for layer in cache.layers):
        return False
    mask = torch.ones((1, 1), dtype=torch.int64)
    if not all(isinstance(rule, _ROW_BY_ROW) for rule in _rules(model, greedy_config(model), mask)):
        return False
    return not any(hasattr(module, "rope_deltas") for module in model.modules())


def greedy_config(model: Any) -> GenerationConfig:
    """The generation config of a model, for the token with the highest score."""
    config, _ = model._prepare_generation_config(None, do_sample=False, temperature=None, top_p=None, top_k=None)
    found: GenerationConfig = config
    return found


class RunningBatch:
    """Rows with a shared cache, aligned at their ends. The mask excludes the space before shorter rows."""

    def __init__(self, generator: Generator) -> None:
        self.answers: list[ServedAnswer] = []
        self.rows = CPU_ROWS if generator.device.type == "cpu" else generator.limits.rows
        self._generator = generator
        self._model = generator.model
        self._config = greedy_config(self._model)
        self._cache: DynamicCache | None = None
        self._tokens = torch.empty((0, 0), dtype=torch.int64)
        """`[rows, tokens]`: all tokens so far, including the last ones, which are not in the cache."""
        self._mask = torch.empty((0, 0), dtype=torch.int64)
        """`[rows, tokens]`: 1 where a row has a token."""

    def parts(self, answers: list[ServedAnswer]) -> list[list[ServedAnswer]]:
        """The answers in groups of similar length, whose prompts are processed one after the other."""
        found: list[list[ServedAnswer]] = []
        for answer in sorted(answers, key=lambda each: each.prompt_tokens):
            if found and (answer.prompt_tokens - found[-1][-1].prompt_tokens) * len(found[-1]) <= PADDING:
                found[-1].append(answer)
            else:
                found.append([answer])
        return found

    def join(self, answers: Sequence[ServedAnswer], inputs: Any) -> None:
        """Process the prompts of new answers, and send their first tokens."""
        cache = growing_cache(self._model) or DynamicCache()
        inputs = self._generator.on_device(inputs)
        tokens, mask = inputs.pop("input_ids"), inputs.pop("attention_mask")
        given = self._model.prepare_inputs_for_generation(
            tokens,
            is_first_iteration=True,
            past_key_values=cache,
            attention_mask=mask,
            position_ids=_positions(mask),
            use_cache=True,
            **inputs,
        )
        logits = self._model(**given, logits_to_keep=1, return_dict=True).logits
        new = self._choose(answers, logits, tokens, mask)
        tokens, mask = _with_new(tokens, mask, new)
        if self._cache is None:
            self._cache, self._tokens, self._mask = cache, tokens, mask
        else:
            for old, added in zip(self._cache.layers, cache.layers, strict=True):
                old.join(added)
            length = max(self._tokens.shape[1], tokens.shape[1])
            self._tokens = torch.cat([_padded(self._tokens, length), _padded(tokens, length)])
            self._mask = torch.cat([_padded(self._mask, length), _padded(mask, length)])
        self.answers += answers

    def step(self) -> None:
        """Generate and send the next token of each answer."""
        positions = _positions(self._mask)[:, -1:]
        given = self._model.prepare_inputs_for_generation(
            self._tokens,
            next_sequence_length=1,
            past_key_values=self._cache,
            attention_mask=self._mask,
            position_ids=positions,
            use_cache=True,
        )
        logits = self._model(**given, return_dict=True).logits
        new = self._choose(self.answers, logits, self._tokens, self._mask)
        self._tokens, self._mask = _with_new(self._tokens, self._mask, new)

    def leave(self) -> None:
        """Remove the answers that need no more tokens, and the space that only they needed."""
        active = [i for i, answer in enumerate(self.answers) if answer.active]
        if len(active) == len(self.answers):
            return
        order = without_gaps(active)
        self.answers = [self.answers[i] for i in order]
        if not order or self._cache is None:
            self._cache = None
            return
        rows = torch.tensor(order, device=self._mask.device)
        mask = self._mask[rows]
        begin = int(mask.argmax(-1).min())
        self._mask, self._tokens = mask[:, begin:], self._tokens[rows, begin:]
        for layer in self._cache.layers:
            layer.select(order, begin)

    def _choose(
        self, answers: Sequence[ServedAnswer], logits: torch.Tensor, tokens: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """The next tokens, `[rows, 1]`; they are sent to the clients."""
        logits = logits[:, -1].float()
        scores = _rules(self._model, self._config, mask)(tokens, logits.clone())
        return torch.tensor(choose_tokens(answers, logits, scores, self._generator), device=tokens.device).unsqueeze(1)


def without_gaps(kept: Sequence[int]) -> list[int]:
    """The kept rows in the order that moves the fewest: the last ones fill the gaps."""
    first = set(range(len(kept)))
    last = [row for row in kept if row not in first]
    known = set(kept)
    return [place if place in known else last.pop() for place in range(len(kept))]


def _rules(model: Any, config: GenerationConfig, mask: torch.Tensor) -> LogitsProcessorList:
    """The rules of the generation config, such as a repetition penalty."""
    found: LogitsProcessorList = model._get_logits_processor(
        generation_config=config,
        input_ids_seq_length=mask.shape[1],
        device=mask.device,
        model_kwargs={"attention_mask": mask},
    )
    return found


def _positions(mask: torch.Tensor) -> torch.Tensor:
    return (mask.cumsum(-1) - 1).clamp(min=0)


def _with_new(tokens: torch.Tensor, mask: torch.Tensor, new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.cat([tokens, new], -1), torch.cat([mask, torch.ones_like(new)], -1)


def _padded(values: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(values, (length - values.shape[1], 0))
