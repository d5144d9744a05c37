"""What a run from Python returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datajob.api.datajob import DataJob
from datajob.api.report import Report

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    import ray.data

    from datajob.formats.base import Writer
    from datajob.python.reading import ResultReader


@dataclass(frozen=True)
class ResultFile:
    """A file of a result."""

    path: str
    """Full path, with the scheme of its storage."""
    rows: int | None
    """Number of rows; None for a file that the sink held before the run (`mode: append`)."""
    bytes: int
    """Size in bytes."""


@dataclass(frozen=True, repr=False)
class Result:
    """The result of a run. In a notebook it shows how many rows each step kept, rejected and failed."""

    report: Report
    """The report of the run: totals, counts and reasons for each step, samples."""
    files: tuple[ResultFile, ...]
    """The files that make up the result, in the order of the rows."""
    _writer: Writer

    @classmethod
    def of(cls, job: DataJob, report: Report) -> Result:
        """The result that a completed run of `job` left in its sink. Raises InputError if the manifest cannot be read."""
        from datajob.formats.folder import Folder
        from datajob.formats.storage import join

        assert report.output is not None
        writer: Writer = job.spec.sink.chosen
        folder, _, name = report.output.manifest.rpartition("/")
        entries = json.loads(Folder(folder).read(name))["files"]
        files = (ResultFile(join(writer.path, e["path"]), e["rows"] if e["rows"] >= 0 else None, e["size"]) for e in entries)
        return cls(report, tuple(files), writer)

    def to_arrow(self) -> pa.Table:
        """Read all rows, in order, into memory.

        Exactly the files of the manifest are read; other files in the folder are ignored. An empty result has no columns.

        Returns:
            A `pyarrow.Table`. Columns have the types that the format of the sink can store.

        Raises:
            InputError: A file cannot be read.
            StorageUnavailable: The storage does not respond.
        """
        import pyarrow as pa

        reader = self._reader()
        return pa.table({}) if reader is None else reader.read_all()

    def to_pandas(self) -> pd.DataFrame:
        """Read all rows, in order, into memory.

        Returns:
            A `pandas.DataFrame`.

        Raises:
            InputError: A file cannot be read.
            StorageUnavailable: The storage does not respond.
        """
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Read all rows, in order, into memory.

        Returns:
            A `polars.DataFrame`.

        Raises:
            InputError: A file cannot be read.
            StorageUnavailable: The storage does not respond.
        """
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def scan_polars(self) -> pl.LazyFrame:
        """A lazy Polars frame over the files of the result, in order. Queries read only the columns and rows that they need.

        Returns:
            A `polars.LazyFrame`. Errors of the files and of the storage occur in `collect`.

        Raises:
            InputError: The schema cannot be read from the files.
            StorageUnavailable: The storage does not respond.
        """
        import polars as pl

        from datajob.python.scanning import scan

        reader = self._reader()
        return pl.LazyFrame() if reader is None else scan(reader)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The rows as a stream for pyarrow, Polars, pandas and DuckDB, as in `pl.DataFrame(result)`. Files are read one by one.

        Raises:
            InputError: The schema cannot be read from the files.
            StorageUnavailable: The storage does not respond.
        """
        from datajob.python.scanning import stream

        reader = self._reader()
        rows = self.to_arrow() if reader is None else stream(reader)
        return rows.__arrow_c_stream__(requested_schema)

    def to_ray(self) -> ray.data.Dataset:
        """A lazy Ray dataset over the files of the result. Its tasks read one file each.

        Set `ray.data.DataContext.get_current().execution_options.preserve_order` to keep the order of the rows.

        Returns:
            A `ray.data.Dataset`. Ray is started on this machine if it is not running.

        Raises:
            InputError: The schema cannot be read from the files.
            StorageUnavailable: The storage does not respond.
        """
        import ray.data

        reader = self._reader()
        if reader is None:
            return ray.data.from_arrow(self.to_arrow())
        numbers = ray.data.range(len(reader.files), override_num_blocks=len(reader.files))
        read_file: Any = _ReadFile(reader)
        return numbers.map_batches(read_file, batch_size=1, batch_format="numpy")

    def _reader(self) -> ResultReader | None:
        from datajob.formats.base import OutputFile
        from datajob.python.reading import result_reader

        root = len(self._writer.path.rstrip("/")) + 1
        files = [OutputFile(f.path[root:], -1 if f.rows is None else f.rows, f.bytes) for f in self.files]
        return result_reader(self._writer, files)

    def __repr__(self) -> str:
        from datajob.python.tables import report_text

        return report_text(self.report, color=False)

    def _repr_html_(self) -> str:
        from datajob.python.funnel import funnel_html

        return funnel_html(self.report)


class _ReadFile:
    """Reads the file of a number in a task of Ray Data."""

    def __init__(self, reader: ResultReader) -> None:
        self.reader = reader

    def __call__(self, batch: dict[str, Any]) -> Any:
        for number in batch["id"]:
            yield from self.reader.read(self.reader.files[int(number)])
