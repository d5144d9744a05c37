"""An older corpus whose rows count as earlier than all rows of the job."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

Against = Annotated[
    str | None,
    Field(
        default=None,
        min_length=1,
        description="Folder, file or glob of an older corpus (Parquet; its columns have the same names): what repeats a row of "
        "it is dropped. It is only read.",
    ),
]


def older_corpus(path: str | None, columns: tuple[str, ...]) -> tuple[Any, ...]:
    """The reader of the older corpus, if any."""
    from datajob.formats.parquet import ParquetReader

    return () if path is None else (ParquetReader(paths=(path,), columns=columns),)
