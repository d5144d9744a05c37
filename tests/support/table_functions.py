"""User functions, as people write them in the folder of their job."""

import numpy as np
import pyarrow as pa

from datajob.operators.base import Filter, Verdict
from datajob.parameters import Column

CONSTANT = 3


def add_length(row):
    row["length"] = len(row["text"])
    return row


def only(row, column, times=1):
    return {column: row[column] * times}


def forgets_to_return(row):
    row["length"] = 1


def needs_digits(row):
    return {**row, "n": int(row["text"])}


class Counter:
    """Made once in a process, called for each row."""

    made = 0

    def __init__(self, start=0):
        Counter.made += 1
        self.start = start

    def __call__(self, row):
        return {**row, "n": self.start + len(row["text"])}


class NotCallable:
    pass


def words(row):
    for word in row["text"].split():
        yield {"id": row["id"], "word": word}


def twice(row):
    return [row, row]


def no_rows(row):
    return []


def pandas_upper(frame):
    frame["text"] = frame["text"].str.upper()
    return frame[frame["text"] != "C"]


def polars_length(frame):
    import polars as pl

    return frame.with_columns(pl.col("text").str.len_chars().alias("length"))


def arrow_reverse(table):
    return table.take(list(reversed(range(len(table)))))


def numpy_double(columns, factor=2):
    return {**columns, "n": columns["id"] * factor, "pairs": np.stack([columns["id"], columns["id"]], axis=1)}


def same(batch):
    return batch


def batch_sizes(table):
    yield pa.table({"size": [len(table)]})
    yield {"size": np.array([-1])}


def wrong_type(batch):
    return 5


class LongerThan(Filter):
    """Keep texts longer than a number of characters."""

    column: Column
    characters: int = 1

    def keep(self, batch):
        lengths = np.array([len(t or "") for t in batch.table.column(self.column).to_pylist()])
        return Verdict((lengths <= self.characters).astype(np.uint8), ("too_short",))


def empty_if_odd(row):
    return {} if row["id"] % 2 else row


def yields_an_empty_dict(row):
    yield row
    if row["id"] % 2:
        yield {}


def no_columns(frame):
    return frame[[]] if (frame["id"] % 2).any() else frame


def no_arrays(arrays):
    return {} if (arrays["id"] % 2).any() else arrays


def text_in_row_three(row):
    return {**row, "x": "three" if row["id"] == 3 else row["id"]}


def texts_from_row_three(row):
    return {**row, "x": "more" if row["id"] >= 3 else row["id"]}


def half_in_row_three(row):
    return {**row, "x": 0.5 if row["id"] == 3 else row["id"]}


def texts_from_row_fifty(row):
    return {**row, "x": "more" if row["id"] >= 50 else row["id"]}


def halves_from_row_fifty(row):
    return {**row, "x": 0.5 if row["id"] >= 50 else row["id"]}
