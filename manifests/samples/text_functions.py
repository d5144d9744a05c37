"""What the sample your-functions.yaml calls: a function of a row, one of a batch, a class that yields rows."""

from collections.abc import Iterator
from typing import Any

import polars

Row = dict[str, Any]


def name_package(row: Row) -> Row:
    """`gnome-user-docs/help/...` comes from the package gnome-user-docs."""
    return row | {"package": row["source"].split("/")[0]}


def measure_lines(batch: polars.DataFrame, fewest: int) -> polars.DataFrame:
    """Count the lines of each text; keep texts of at least `fewest`."""
    return batch.with_columns(lines=polars.col("text").str.count_matches("\n") + 1).filter(polars.col("lines") >= fewest)


class Paragraphs:
    """Makes a row of each paragraph, the overlong left out."""

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def __call__(self, row: Row) -> Iterator[Row]:
        for number, paragraph in enumerate(row["text"].split("\n\n")):
            if len(paragraph) <= self.longest:
                yield row | {"text": paragraph, "paragraph": number}
