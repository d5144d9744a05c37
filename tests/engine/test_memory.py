"""Memory does not grow with the input: the peak of a whole process stays below a fraction of what it reads."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.local_jobs import make_job

LIMIT = 640 << 20
"""Bytes of resident memory that the whole process may have, interpreter and libraries included."""
INPUT = 2 << 30
"""Bytes of text; it compresses well, so that the files are small."""
LINE = "the quick brown fox jumps over the lazy dog and does it again, "


def run_measured(job: Any, folder: Path) -> int:
    """Run in a process of its own; its peak resident memory in bytes."""
    (folder / "job.json").write_text(job.model_dump_json(by_alias=True, exclude_unset=True))
    (folder / "options.json").write_text(json.dumps({"executor": "local"}))
    command = [sys.executable, "-m", "tests.support.runner", str(folder / "job.json"), str(folder / "options.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1]) << 10


def parquet(folder: Path) -> dict[str, Any]:
    """Files of one row group each, larger than what may be held of it."""
    folder.mkdir()
    texts = [LINE * (1 + i % 60) for i in range(1000)]
    table = pa.table({"id": pa.array(range(1000)), "text": texts})
    rows = INPUT // 4 // table.nbytes
    for number in range(4):
        with pq.ParquetWriter(folder / f"{number}.parquet", table.schema, compression="zstd") as writer:
            writer.write_table(pa.concat_tables([table] * rows), row_group_size=rows * 1000)
    return {"parquet": {"paths": [str(folder)]}}


def compressed_json(folder: Path) -> dict[str, Any]:
    """One file that cannot be cut."""
    folder.mkdir()
    lines = b"".join(json.dumps({"id": i, "text": LINE * (1 + i % 60)}).encode() + b"\n" for i in range(1000))
    with gzip.open(folder / "all.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(INPUT // 2 // len(lines)):
            file.write(lines)
    return {"json": {"paths": [str(folder)]}}


@pytest.fixture(scope="module", params=[parquet, compressed_json], ids=["parquet", "compressed_json"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A large input, which all steps share."""
    made: dict[str, Any] = request.param(tmp_path_factory.mktemp("large") / "in")
    return made


STEPS = [{"compute": {"columns": {"size": "length(text)"}}}, {"filter": {"where": "size > 1000"}}]
DEDUP = [{"exactDedup": {"columns": ["text", "id"]}}]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("steps", [STEPS, DEDUP], ids=["a fused stage", "a global step"])
def test_an_input_several_times_the_memory_is_processed(
    source: dict[str, Any], steps: list[dict[str, Any]], tmp_path: Path
) -> None:
    job = make_job(tmp_path, tmp_path / "out", steps, sources=[source])
    assert run_measured(job, tmp_path) < LIMIT
    report = json.loads((tmp_path / "out" / "_datajob" / "report.json").read_text())
    assert report["state"] == "complete"
    assert report["progress"]["rowsIn"] > 100_000
