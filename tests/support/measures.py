"""Helpers for tests of filters that measure a text: the measure against a few lines of Python."""

from collections.abc import Callable
from unicodedata import category

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.measures import Measure
from tests.support.texts import batch_of, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


def share(part: float, whole: float) -> float:
    """`part / whole`; 0 where `whole` is 0."""
    return part / max(whole, 1)


def is_alphanumeric(c: str) -> bool:
    """A letter, a digit or a mark of one."""
    return c.isalnum() or category(c).startswith("M")


def check_measure(rule: Measure, slow: Callable[[str], float]) -> None:
    """The measure of any texts is that of `slow`."""

    @settings(deadline=None, max_examples=100)
    @given(SEVERAL)
    def check(rows: list[str]) -> None:
        verdict = rule.model_copy(update={"output": "measure"}).keep(batch_of(*rows, kind=pa.string()))
        assert verdict.columns["measure"].to_pylist() == pytest.approx([slow(text) for text in rows])

    check()
