"""Functions of the sample your-functions.yaml: one for rows, one for batches, and a class that yields rows."""

from collections.abc import Iterator
from typing import Any

import polars

Row = dict[str, Any]


def name_package(row: Row) -> Row:
    """Add the package of a document: `gnome-user-docs/help/...` belongs to gnome-user-docs."""
    return row | {"package": row["source"].split("/")[0]}


def measure_lines(batch: polars.DataFrame, min_lines: int) -> polars.DataFrame:
    """Count the lines of each text and keep texts with at least `min_lines` lines."""
    return batch.with_columns(lines=polars.col("text").str.count_matches("\n") + 1).filter(polars.col("lines") >= min_lines)


class Paragraphs:
    """Create one row per paragraph, without paragraphs longer than `max_characters`."""

    def __init__(self, max_characters: int) -> None:
        self.max_characters = max_characters

    def __call__(self, row: Row) -> Iterator[Row]:
        for number, paragraph in enumerate(row["text"].split("\n\n")):
            if len(paragraph) <= self.max_characters:
                yield row | {"text": paragraph, "paragraph": number}
