"""Texts that text rules get wrong: drawn at random for properties, and the few everybody should know."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from datajob.operators.base import Batch, Filter, Map, Verdict

SPACES = [" ", "  ", "\n", "\n\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\x1c", "\x85", "\v", "\n \n", "\r", "\u200b"]
WORDS = [
    *("the", "be", "to", "of", "and", "that", "have", "with", "a", "lorem", "ipsum", "javascript", "JavaScript", "use", "of"),
    *("cookies", "Coo\u212aies", "terms", "Privacy", "policy", "policy.", "[1]", "[edit]", "[citation", "needed]", "[", "[²]"),
    *("-", "•", "#", "##", "...", "....", "……", "…", ".", "!", "?", '"', "'", "。", "？", "J.", "É.", "A..", "e.g.", "3.14"),
    *(
        "{",
        "}",
        "don't",
        "naïve",
        "cafe\u0301",
        "中文",
        "日本語の",
        "カタカナ",
        "ภาษาไทย",
        "한국어",
        "שלום",
        "الْعَرَبِيَّة",
        "हिन्दी",
        "👨‍👩‍👧",
        "🇩🇪🇫🇷",
        "\x00",
    ),
    *("x" * 9, "0", "00", "1", "11", "٣", "İ", "\ufeff", "\u00ad", "क्षि", "…word", "w...w", "word.", "end!”", "word" * 6),
]

words = st.sampled_from(WORDS)
pieces = st.one_of(words, st.sampled_from(SPACES), st.text(max_size=4))
texts = st.one_of(
    st.lists(pieces, max_size=60).map("".join),
    st.lists(st.tuples(words, st.sampled_from(SPACES)).map("".join), max_size=120).map("".join),
    st.tuples(st.lists(words, max_size=12).map(" ".join), st.integers(1, 12), st.sampled_from(SPACES)).map(
        lambda t: (t[0] + t[2]) * t[1]
    ),
)


def batch_of(*rows: Any, kind: pa.DataType | None = None) -> Batch:
    """A batch with one column `text`."""
    return Batch(pa.table({"text": pa.array(rows, kind)}))


def reasons(verdict: Verdict) -> list[str]:
    """The reason of each row, "" where it is kept."""
    return [("", *verdict.reasons)[code] for code in verdict.codes.tolist()]


def decide(rule: Filter, *rows: Any) -> list[str]:
    """The reasons for these texts."""
    return reasons(rule.keep(batch_of(*rows, kind=pa.string())))


def changed(operator: Map, *rows: str) -> list[str]:
    """The texts after the operator, which keeps nulls."""
    column: list[Any] = operator.apply(batch_of(*rows, None, kind=pa.string())).column("text").to_pylist()
    assert column.pop() is None
    return column
