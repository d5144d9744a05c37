"""Data files of Lance, each on its own: a result as it was written, independent of later changes of its table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from datajob.errors import InputError
from datajob.formats._columns import conform, plain_schema, unite
from datajob.formats._lance_table import lance_errors, storage_options
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord
from datajob.formats.storage import address

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1024


class LanceFilesReader(FileReader):
    """Files of one run. Blobs are read as bytes."""

    abstract: ClassVar[bool] = True
    suffixes = (".lance",)

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """The columns of all files."""
        return unite({file.path: plain_schema(_opened(file.path).metadata().schema) for file in files})

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """The rows of a file, in order."""
        import pyarrow as pa

        path = fragment.file.path
        with lance_errors(path, InputError):
            for batch in _opened(path).read_all(batch_size=BATCH_ROWS).to_batches():
                yield conform(pa.Table.from_batches([batch]), schema, fragment, self)


def _opened(path: str) -> Any:
    from lance.file import LanceFileReader

    with lance_errors(path, InputError):
        return LanceFileReader(address(path), storage_options=storage_options(path))
