"""A key-value cache that grows in place.

The dynamic cache of transformers copies all keys and values for each token; this one copies them every STEP tokens. The
static cache copies nothing, but attends to its whole length from the first token on and must fit the longest answer.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

STEP = 128
"""Maximum number of unused tokens in the buffers."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """The keys and values of a layer, `[rows, heads, tokens, size]`: the start of buffers with space for more tokens."""

    keys: torch.Tensor
    values: torch.Tensor
    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the keys and values of new tokens; returns those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        begin = self.get_seq_length()
        end = begin + key_states.shape[-2]
        if self._buffers is None or end > self._buffers[0].shape[-2]:
            self._buffers = (self._grow(self.keys, key_states, end), self._grow(self.values, value_states, end))
        keys, values = self._buffers
        keys[..., begin:end, :] = key_states
        values[..., begin:end, :] = value_states
        self.keys, self.values = keys[..., :end, :], values[..., :end, :]
        return (self.keys, self.values) if begin else (key_states, value_states)

    def join(self, other: GrowingLayer) -> None:
        """Add the rows of another cache. The shorter rows begin with zeros, which the mask of the caller must exclude."""
        length = max(self.get_seq_length(), other.get_seq_length())
        self._set(_joined(self.keys, other.keys, length), _joined(self.values, other.values, length), length)

    def select(self, rows: torch.Tensor, begin: int) -> None:
        """Keep some rows, `[n]` of int64, without their first `begin` tokens."""
        length = self.get_seq_length() - begin
        self._set(_selected(self.keys, rows, begin), _selected(self.values, rows, begin), length)

    def _set(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> None:
        self._buffers = (keys, values)
        self.keys, self.values = keys[..., :length, :], values[..., :length, :]

    def _grow(self, old: torch.Tensor, new: torch.Tensor, end: int) -> torch.Tensor:
        rows, heads, _, size = new.shape
        buffer = new.new_empty((rows, heads, end + STEP, size))
        if begin := self.get_seq_length():
            buffer[..., :begin, :] = old
        return buffer


def _joined(first: torch.Tensor, second: torch.Tensor, length: int) -> torch.Tensor:
    """A buffer with the rows of both, aligned at their ends."""
    rows = first.shape[0]
    buffer = first.new_zeros((rows + second.shape[0], first.shape[1], length + STEP, first.shape[3]))
    buffer[:rows, :, length - first.shape[2] : length] = first
    buffer[rows:, :, length - second.shape[2] : length] = second
    return buffer


def _selected(values: torch.Tensor, rows: torch.Tensor, begin: int) -> torch.Tensor:
    length = values.shape[2] - begin
    buffer = values.new_empty((len(rows), values.shape[1], length + STEP, values.shape[3]))
    buffer[:, :, :length] = values[rows, :, begin:]
    return buffer


def growing_cache(model: Any) -> DynamicCache | None:
    """An empty cache for a batch; None if transformers would not use its dynamic cache."""
    how = model.generation_config
    if how.cache_implementation is not None or how.use_cache is False:
        return None
    if (
        model.config.is_encoder_decoder
        or not model._supports_default_dynamic_cache()
        or "mamba" in type(model).__name__.lower()
    ):
        return None
    cache = DynamicCache(config=model.config.get_text_config(decoder=True))
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache
