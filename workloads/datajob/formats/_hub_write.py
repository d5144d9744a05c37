"""Write the files of a data set of Hugging Face."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob, private
from datajob.formats._features import read_features
from datajob.formats._hub_patterns import SPLIT
from datajob.formats._parquet_write import ParquetEncoder
from datajob.formats.base import OutputFile, ShardWriter

if TYPE_CHECKING:
    import pyarrow as pa


def with_splits(existing: pa.Schema | None, keys: tuple[str, ...] | None) -> pa.Schema | None:
    """The columns of an existing data set with the column of the names of splits, which is not stored.

    Raises InvalidJob if the data set has a column with its name.
    """
    import pyarrow as pa

    if existing is None or not keys:
        return existing
    if keys[0] in existing.names:
        raise InvalidJob(
            f"sink.huggingface: the data set has a column {keys[0]}, but a column in `partitionBy` is not stored. Rename it in "
            "the result with a `rename` step."
        )
    return existing.append(pa.field(keys[0], pa.string()))


class SplitsWriter:
    """A shard writer that refuses invalid names of splits."""

    def __init__(self, writer: ShardWriter, column: str | None) -> None:
        self._writer, self._column = writer, column
        self.close: Callable[[], list[OutputFile]] = writer.close
        self.abort: Callable[[], None] = writer.abort

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        if self._column is not None and self._column in table.column_names:
            for name in table.column(self._column).unique().to_pylist():
                if name is None or not SPLIT.fullmatch(name):
                    raise InvalidJob(
                        f"sink.huggingface: column {self._column} contains {private(repr(name))}, which is not the name of a "
                        "split. Names consist of letters, digits, `_` and `.`."
                    )
        self._writer.write(table)


class FeaturesEncoder(ParquetEncoder):
    """An encoder that provides the features of its file."""

    def stats(self) -> dict[str, Any]:
        """Features, and the bytes of the rows without compression."""
        footer = self.footer
        size = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
        return {"features": read_features(footer.metadata), "bytes": size}
