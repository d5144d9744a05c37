"""Deduplication against an existing corpus, whose rows count as earlier than all rows of the job."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from datajob.operators.base import Deduplicate
from datajob.parameters import Column

Against = Annotated[
    str | None,
    Field(
        default=None,
        min_length=1,
        description="File, folder or glob of an existing Parquet corpus; its duplicates are also removed from the job's rows. "
        "Its columns must have the same names. The corpus is only read.",
    ),
]


def corpus_reader(path: str | None, columns: tuple[str, ...]) -> tuple[Any, ...]:
    """The reader of the existing corpus, if any."""
    from datajob.formats.parquet import ParquetReader

    return () if path is None else (ParquetReader(paths=(path,), columns=columns),)


class ColumnDedup(Deduplicate):
    """Base of the deduplications of one column."""

    abstract: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
    against: Against = None

    def side_sources(self) -> tuple[Any, ...]:
        """The existing corpus."""
        return corpus_reader(self.against, (self.column,))
