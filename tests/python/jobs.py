"""Small inputs and jobs built in Python."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datajob import DataJob, sinks, sources, steps

TEXTS = ["<b>one</b>", "two roses", "<b>one</b>", "no", "three roses", "four"]


def write_input(folder: Path) -> Path:
    """Six rows, of which one is short and one is a duplicate."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": range(6), "text": TEXTS}), folder / "rows.parquet")
    return folder


def tidy(folder: Path, sink: Any = None, name: str = "tidy", **options: Any) -> DataJob:
    """A job that removes the short row and the duplicate."""
    return DataJob.new(
        name,
        sources=[sources.Parquet(paths=[str(write_input(folder / "in"))])],
        steps=[steps.Filter(where="length(text) > 3"), steps.ExactDedup(columns=["text"])],
        sink=sink or sinks.Parquet(path=str(folder / "out")),
        **options,
    )
