"""Gopher's quality rules in polars, for comparison."""

import polars as pl

from datajob.operators.text.gopher_quality import STOP_WORDS


def gopher_rules(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add a column `keep` with the decision of the rules for the column `text`. Words are separated by whitespace."""
    text, words = pl.col("text"), pl.col("words")
    total, lines = words.list.len(), (pl.col("text").str.count_matches("\n") + 1)
    lengths = words.list.eval(pl.element().str.len_chars()).list.mean()
    ellipses = text.str.count_matches(r"\.\.\.|…")
    rules = (
        total.is_between(50, 100_000)
        & lengths.is_between(3, 10)
        & (text.str.count_matches("#", literal=True) / total <= 0.1)
        & (ellipses / total <= 0.1)
        & (text.str.count_matches(r"(?m)^\s*[•-]") / lines <= 0.9)
        & (text.str.count_matches(r"(?m)(?:\.\.\.|…)\s*$") / lines <= 0.3)
        & (text.str.count_matches(r"\S*\p{L}\S*") / total >= 0.8)
        & (words.list.set_intersection(list(STOP_WORDS)).list.len() >= 2)
    )
    return frame.with_columns(words=text.str.extract_all(r"\S+")).with_columns(keep=rules).drop("words")
