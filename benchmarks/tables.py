"""Tables compared with plain Parquet files: time to plan a large table, to read it, and to commit many files.

Lance tables have files of their own format, with the same rows.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datajob.engine.input.listing import list_input
from datajob.formats._delta_commit import Publication
from datajob.formats._iceberg_catalog import CatalogTable
from datajob.formats._iceberg_commit import Publication as IcebergPublication
from datajob.formats._iceberg_commit import packed_footer
from datajob.formats._lance_commit import Publication as LancePublication
from datajob.formats._lance_write import LanceFiles
from datajob.formats.base import InputFile, OutputFile, Reader
from datajob.formats.delta import DeltaReader
from datajob.formats.iceberg import IcebergReader
from datajob.formats.lance import LanceReader
from datajob.formats.parquet import ParquetReader

SCHEMA = pa.schema([("id", pa.int64()), ("text", pa.string())])
ROWS, READ_FILES, ROUNDS = 400_000, 8, 5


def _table(folder: Path, files: int, rows: int) -> list[OutputFile]:
    """Parquet files in a folder for the data of a run."""
    (folder / "data").mkdir(parents=True)
    per_file = max(1, rows // files)
    table = _rows(per_file)
    first = folder / "data" / "part-00000.parquet"
    pq.write_table(table, first)
    found = []
    for number in range(files):
        path = folder / "data" / f"part-{number:05}.parquet"
        if path != first:
            shutil.copyfile(first, path)
        stats = {"nulls": {"id": 0, "text": 0}, "min": {"id": 0}, "max": {"id": per_file}}
        found.append(OutputFile(f"data/{path.name}", per_file, first.stat().st_size, stats))
    return found


def _rows(count: int) -> pa.Table:
    return pa.table({"id": range(count), "text": [f"some text of row {i} " * 8 for i in range(count)]}, schema=SCHEMA)


def _lance_files(folder: Path, files: int, rows: int) -> list[OutputFile]:
    """Files of the format Lance in a folder, for the data of a run."""
    writer = LanceFiles(str(folder), "data/part", SCHEMA, "2.1", 1 << 40)
    per_file = max(1, rows // files)
    writer.write(_rows(per_file))
    (first,) = writer.close()
    found = []
    for number in range(files):
        name = f"data/part-{number:05}.lance"
        shutil.copyfile(folder / first.path, folder / name)
        found.append(OutputFile(name, per_file, first.size, first.stats))
    return found


def _commit_lance(folder: Path, files: Sequence[OutputFile], run: str) -> None:
    LancePublication(str(folder), run, "append", False, files, SCHEMA, "2.1", 0).commit()


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _read(reader: Reader, files: Sequence[InputFile]) -> None:
    schema = reader.schema(files)
    for file in files:
        for fragment in reader.fragments(file, 64 << 20):
            for _ in reader.read(fragment, schema, 16 << 20, lambda record, reason: None):
                pass


def _commit(folder: Path, files: Sequence[OutputFile], run: str, mode: str = "append") -> None:
    Publication(str(folder), run, mode, False, False, files, SCHEMA, ()).commit()


def _catalog(root: Path) -> CatalogTable:
    properties = {"type": "sql", "uri": f"sqlite:///{root}/catalog.db", "warehouse": f"file://{root}"}
    return CatalogTable(table="lake.t", catalog=properties)


def _with_footers(folder: Path, files: Sequence[OutputFile]) -> list[OutputFile]:
    """The files with the statistics that the sink `iceberg` provides."""
    footer = packed_footer(pq.read_metadata(folder / files[0].path))
    return [OutputFile(file.path, file.rows, file.size, footer) for file in files]


def _commit_iceberg(root: Path, folder: Path, files: Sequence[OutputFile], run: str) -> None:
    IcebergPublication(_catalog(root), str(folder), run, "append", False, False, files, SCHEMA, ()).commit()


def main() -> None:
    """Print one line for each measurement."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = _table(root / "many", 10_000, 10_000)
        footers = _with_footers(root / "many", files)
        of_lance = _lance_files(root / "lance", 10_000, 10_000)
        for start in range(0, 10_000, 1000):
            part = slice(start, start + 1000)
            delta = _seconds(partial(_commit, root / "many", files[part], f"run-{start}"))
            iceberg = _seconds(partial(_commit_iceberg, root, root / "many", footers[part], f"run-{start}"))
            lance = _seconds(partial(_commit_lance, root / "lance", of_lance[part], f"run-{start}"))
            if start in (0, 9000):
                print(
                    f"commit 1,000 files to a table of {start:,}: Delta {delta:.2f} s, Iceberg {iceberg:.2f} s, "
                    f"Lance {lance:.2f} s"
                )
        tables = (
            DeltaReader(path=str(root / "many")),
            IcebergReader(**dict(_catalog(root))),
            LanceReader(path=str(root / "lance")),
        )
        for source in tables:
            seconds = _seconds(partial(list_input, [source], None, False))
            print(f"plan a table of 10,000 files: {source.key} {seconds:.2f} s")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = _table(root / "rows", READ_FILES, ROWS)
        _commit(root / "rows", files, "run")
        _commit_iceberg(root, root / "rows", _with_footers(root / "rows", files), "run")
        _commit_lance(root / "lance", _lance_files(root / "lance", READ_FILES, ROWS), "run")
        _read_all(root)


def _read_all(root: Path) -> None:
    plain = ParquetReader(paths=(str(root / "rows/data"),))
    inputs = [InputFile(str(path), path.stat().st_size, "") for path in sorted((root / "rows/data").iterdir())]
    tables = (
        DeltaReader(path=str(root / "rows")),
        IcebergReader(**dict(_catalog(root))),
        LanceReader(path=str(root / "lance")),
    )
    for source in tables:
        ratios = []
        for _ in range(ROUNDS):
            of_table = _seconds(lambda reader=source: _read(reader, reader.files()))  # type: ignore[misc]
            ratios.append(of_table / _seconds(partial(_read, plain, inputs)))
        print(f"read a table: {source.key} {sorted(ratios)[ROUNDS // 2]:.2f} times the seconds of Parquet files with its rows")


if __name__ == "__main__":
    main()
