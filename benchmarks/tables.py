"""Tables compared with plain Parquet files: time to plan a large table, to read it, and to commit many files."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datajob.engine.input.listing import list_input
from datajob.formats._delta_commit import Publication
from datajob.formats.base import InputFile, OutputFile, Reader
from datajob.formats.delta import DeltaReader
from datajob.formats.parquet import ParquetReader

ROWS, READ_FILES, ROUNDS = 400_000, 8, 5


def _table(folder: Path, files: int, rows: int) -> list[OutputFile]:
    """Parquet files in a folder for the data of a run."""
    (folder / "data").mkdir(parents=True)
    per_file = max(1, rows // files)
    table = pa.table({"id": range(per_file), "text": [f"some text of row {i} " * 8 for i in range(per_file)]})
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
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    Publication(str(folder), run, mode, False, False, files, schema, ()).commit()


def main() -> None:
    """Print one line for each measurement."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        files = _table(root / "delta", 10_000, 10_000)
        for number in range(0, 10_000, 1000):
            seconds = _seconds(lambda start=number: _commit(root / "delta", files[start : start + 1000], f"run-{start}"))  # type: ignore[misc]
            if number in (0, 9000):
                print(f"commit 1,000 files to a Delta table of {number:,}: {seconds:.2f} s")
        planned = _seconds(lambda: list_input([DeltaReader(path=str(root / "delta"))], None, False))
        print(f"plan a Delta table of 10,000 files: {planned:.2f} s")
        shutil.rmtree(root / "delta")
        _commit(root / "rows", _table(root / "rows", READ_FILES, ROWS), "run")
        delta, plain = DeltaReader(path=str(root / "rows")), ParquetReader(paths=(str(root / "rows/data"),))
        inputs = [InputFile(str(path), path.stat().st_size, "") for path in sorted((root / "rows/data").iterdir())]
        ratios = []
        for _ in range(ROUNDS):
            of_delta = _seconds(lambda: _read(delta, delta.files()))
            of_plain = _seconds(lambda: _read(plain, inputs))
            ratios.append(of_delta / of_plain)
        print(f"read a Delta table: {sorted(ratios)[ROUNDS // 2]:.2f} times the seconds of its Parquet files")


if __name__ == "__main__":
    main()
