"""Runs from S3 to S3 on a real server: commits without renames, a killed driver, unavailable storage."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.errors import SinkError, StorageUnavailable
from datajob.formats.folder import Folder
from datajob.formats.storage import resolve
from tests.engine.test_crash import DEADLINE
from tests.support.local_jobs import Rows, make_job, run

pytestmark = pytest.mark.s3
ROWS: Rows = [{"id": i, "text": f"row {i} " * (i % 9)} for i in range(2000)]
STEPS = [{"compute": {"columns": {"size": "length(text)"}}}, {"filter": {"where": "size > 20"}}]
EXPECTED = [{**r, "size": len(r["text"])} for r in ROWS if len(r["text"]) > 20]


def fill(bucket: str, files: int) -> None:
    size = len(ROWS) // files
    for number in range(files):
        filesystem, path = resolve(f"{bucket}/in/{number:04}.parquet")
        pq.write_table(pa.Table.from_pylist(ROWS[number * size : (number + 1) * size]), path, filesystem=filesystem)


def s3_job(bucket: str, **spec: Any) -> Any:
    sources = [{"parquet": {"paths": [f"{bucket}/in"]}}]
    sink = {"parquet": {"path": f"{bucket}/out"}}
    return make_job(Path(), Path(), STEPS, **{"sources": sources, "sink": sink, **spec})


def result(bucket: str) -> Rows:
    out = Folder(f"{bucket}/out")
    files = json.loads(out.read("_datajob/manifest.json"))["files"]
    tables = [pq.read_table(pa.BufferReader(out.read(f["path"]))) for f in files]
    visible = [n for n in out.list("", recursive=True) if n.endswith(".parquet") and not n.startswith("_")]
    assert sorted(visible) == sorted(f["path"] for f in files)
    return [row for table in tables for row in table.to_pylist()]


def test_a_job_reads_from_s3_and_writes_to_s3(bucket: str) -> None:
    fill(bucket, 10)
    run(s3_job(bucket, rejects={"path": f"{bucket}/rejects"}))
    assert result(bucket) == EXPECTED
    assert Folder(f"{bucket}/rejects").list("", recursive=True)
    with pytest.raises(SinkError, match="already holds data"):
        run(s3_job(bucket))


@pytest.mark.slow
def test_a_driver_killed_while_writing_to_s3_loses_nothing(bucket: str, tmp_path: Path) -> None:
    fill(bucket, 100)
    (tmp_path / "job.json").write_text(s3_job(bucket).model_dump_json(by_alias=True, exclude_unset=True))
    (tmp_path / "options.json").write_text(json.dumps({"executor": "local", "shard_bytes": 500}))
    command = [sys.executable, "-m", "tests.support.runner", str(tmp_path / "job.json"), str(tmp_path / "options.json")]
    out = Folder(f"{bucket}/out")
    for more in (3, 20, 8):
        target = len(out.list("_datajob/commits", recursive=True)) + more
        process = subprocess.Popen(command, start_new_session=True)
        deadline = time.monotonic() + DEADLINE
        while process.poll() is None and len(out.list("_datajob/commits", recursive=True)) < target:
            assert time.monotonic() < deadline
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    report = run(s3_job(bucket), shard_bytes=500)
    assert report.shards_reused >= 9
    assert result(bucket) == EXPECTED


def test_unavailable_storage_is_not_an_error_of_the_data(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        run(s3_job(bucket, errors={"policy": "drop"}))
