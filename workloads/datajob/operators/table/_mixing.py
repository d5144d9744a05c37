"""How much of each source a mixture contains. Pure and exact: weights are decimal fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor


def shares_of(weights: Sequence[float]) -> list[Fraction]:
    """The weights as fractions of their sum."""
    exact = [Fraction(repr(weight)) for weight in weights]
    return [weight / sum(exact) for weight in exact]


def sizes_of(
    weights: Sequence[float], available: Sequence[int], total: int | None, max_epochs: float | None, repeat: bool
) -> list[int]:
    """Rows or tokens to take of each source; their shares differ from those of the weights by less than one row or token.

    Without `total`, the smallest mixture that contains every source completely if `repeat`, otherwise the largest one that
    contains no source more than `max_epochs` times.
    """
    shares = shares_of(weights)
    whole = Fraction(total or 0)
    if total is None:
        complete = [size / share for size, share in zip(available, shares, strict=True)]
        whole = max(complete) if repeat else min(complete) * Fraction(repr(max_epochs or 1))
    wanted = [whole * share for share in shares]
    sizes = [floor(size) for size in wanted]
    if total is not None:
        by_remainder = sorted(range(len(sizes)), key=lambda index: sizes[index] - wanted[index])
        for index in by_remainder[: total - sum(sizes)]:
            sizes[index] += 1
    return sizes
