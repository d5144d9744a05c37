"""A key-value cache that grows in place.

The dynamic cache of transformers copies all keys and values for each token; this one copies them every STEP tokens. The
static cache copies nothing, but attends to its whole length from the first token on and must fit the longest answer. Rows join
and leave in their places: only they are copied, except when the buffers become too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

STEP = 128
"""Maximum number of unused tokens in the buffers."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """The keys and values of a layer, `[rows, heads, tokens, size]`: a window of buffers with space for more."""

    keys: torch.Tensor
    values: torch.Tensor
    _buffers: tuple[torch.Tensor, ...] = ()
    _rows = _begin = _end = 0
    """The window: the first rows, and a range of tokens."""

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append the keys and values of new tokens; returns those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old, new = self.get_seq_length(), key_states.shape[-2]
        if not self._buffers or self._end + new > self._buffers[0].shape[2]:
            self._move((key_states, value_states), key_states.shape[0], old, new + STEP)
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[: self._rows, :, self._end : self._end + new] = states
        self._end += new
        self._show()
        return (self.keys, self.values) if old else (key_states, value_states)

    def join(self, other: GrowingLayer) -> None:
        """Add the rows of another cache. The shorter rows begin with zeros, which the mask of the caller must exclude."""
        own, theirs, rows = self.get_seq_length(), other.get_seq_length(), self._rows + other._rows
        length = max(own, theirs)
        if rows > self._buffers[0].shape[0] or length > self._end:
            self._move(self._buffers, 1 << (rows - 1).bit_length(), length, STEP)
        begin, end = self._end - length, self._end
        for buffer, added in zip(self._buffers, (other.keys, other.values), strict=True):
            buffer[: self._rows, :, begin : end - own] = 0
            buffer[self._rows : rows, :, begin : end - theirs] = 0
            buffer[self._rows : rows, :, end - theirs : end] = added
        self._rows, self._begin = rows, begin
        self._show()

    def select(self, order: Sequence[int], begin: int) -> None:
        """Keep the rows in `order`, without their first `begin` tokens. Each stays in its place or comes from behind them."""
        self._begin += begin
        for buffer in self._buffers:
            window = buffer[:, :, self._begin : self._end]
            for place, row in enumerate(order):
                if row != place:
                    window[place] = window[row]
        self._rows = len(order)
        self._show()

    def _show(self) -> None:
        self.keys, self.values = (buffer[: self._rows, :, self._begin : self._end] for buffer in self._buffers)

    def _move(self, like: Sequence[torch.Tensor], rows: int, length: int, space: int) -> None:
        """Move the window to the end of `length` tokens in new buffers, with space for `rows` rows and more tokens."""
        old = self.get_seq_length()
        made = [each.new_empty((rows, each.shape[1], length + space, each.shape[3])) for each in like]
        if old:
            for buffer, known in zip(made, (self.keys, self.values), strict=True):
                buffer[: self._rows, :, length - old : length] = known
        else:
            self._rows = rows
        self._buffers, self._begin, self._end = tuple(made), length - old, length
        self._show()


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
