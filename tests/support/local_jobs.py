"""Builds jobs over small Parquet inputs, runs them in process, and reads results the way a user would."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datajob.api.datajob import DataJob
from datajob.api.report import Report
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions

Rows = list[dict[str, Any]]


def make_job(source: Path, out: Path, steps: Sequence[dict[str, Any]] = (), **spec: Any) -> DataJob:
    """A job from Parquet to Parquet; `spec` overrides."""
    return DataJob.model_validate(
        {
            "apiVersion": "datajob.io/v1alpha1",
            "kind": "DataJob",
            "metadata": {"name": "test"},
            "spec": {
                "sources": [{"parquet": {"paths": [str(source)]}}],
                "steps": list(steps),
                "sink": {"parquet": {"path": str(out)}},
                **spec,
            },
        }
    )


def run(job: DataJob, **options: Any) -> Report:
    """Run in process, cut in many small shards unless told otherwise."""
    return run_job(job, RunOptions(**{"executor": "local", "shard_bytes": 2000, **options}))


def write_parts(folder: Path, rows: Rows, parts: int, schema: pa.Schema | None = None) -> None:
    """Spread `rows` in order over `parts` files."""
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(rows) // parts)
    for part in range(parts):
        some = rows[part * size : (part + 1) * size]
        pq.write_table(pa.Table.from_pylist(some, schema=schema), folder / f"in-{part:04}.parquet")


def read_manifest(sink: Path) -> Rows:
    """Rows of the result, in order, of a reader that honours the manifest."""
    files = json.loads((sink / "_datajob" / "manifest.json").read_text())["files"]
    return [row for f in files for row in pq.read_table(sink / f["path"], partitioning=None).to_pylist()]


def read_glob(sink: Path) -> Rows:
    """Rows of a reader that takes every visible file."""
    files = sorted(p for p in sink.rglob("*.parquet") if not any(part[:1] in "._" for part in p.relative_to(sink).parts))
    return [row for f in files for row in pq.read_table(f, partitioning=None).to_pylist()]
