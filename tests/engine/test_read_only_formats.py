"""WARC, Avro and ORC as the input of runs that are interrupted, on disk and on S3."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from pyarrow import orc

from datajob.formats.folder import Folder
from tests.support import interrupted
from tests.support.local_jobs import make_job, run
from tests.support.warcs import members, page

FILES, ROWS = 6, 20
AVRO = {"type": "record", "name": "row", "fields": [{"name": "id", "type": "long"}, {"name": "text", "type": "string"}]}


def warc(ids: range) -> bytes:
    return members(page(i, f"<p>row {i}".encode()) for i in ids)


def avro(ids: range) -> bytes:
    data = io.BytesIO()
    fastavro.writer(data, AVRO, [{"id": i, "text": f"row {i}"} for i in ids])
    return data.getvalue()


def orc_file(ids: range) -> bytes:
    data = io.BytesIO()
    orc.write_table(pa.table({"id": list(ids), "text": [f"row {i}" for i in ids]}), data)
    return data.getvalue()


NUMBERS = {
    "compute": {"columns": {"id": "CAST(regexp_extract(url, '[0-9]+$') AS BIGINT)", "text": "substr(decode(content), 4)"}}
}
PASSED = {"mapBatches": {"function": "tests.support.interrupted:whole_batch", "batchFormat": "pyarrow"}}
FORMATS: dict[str, tuple[str, Callable[[range], bytes], list[dict[str, Any]]]] = {
    "warc": ("warc.gz", warc, [NUMBERS]),
    "avro": ("avro", avro, []),
    "orc": ("orc", orc_file, []),
}


def resumed(place: str, kind: str) -> None:
    """Interrupts a run that reads from `place` and writes there, and resumes it."""
    ending, content, steps = FORMATS[kind]
    source = Folder(f"{place}/in")
    for number in range(FILES):
        source.write(f"{number}.{ending}", content(range(number * ROWS, (number + 1) * ROWS)))
    job = make_job(
        Path("unused"),
        Path("unused"),
        [
            *steps,
            PASSED,
            {"select": {"columns": ["id", "text"]}},
        ],
        sources=[{kind: {"paths": [f"{place}/in"]}}],
        sink={"json": {"path": f"{place}/out"}},
    )
    interrupted.calls[:], interrupted.fuse[:] = [], [FILES * ROWS // 2]
    try:
        with pytest.raises(KeyboardInterrupt):
            run(job, shard_bytes=800)
    finally:
        interrupted.fuse.clear()
    before = len(interrupted.calls)
    report = run(job, shard_bytes=800)
    assert report.progress.rows_out == FILES * ROWS
    assert FILES * ROWS // 2 <= len(interrupted.calls) - before < FILES * ROWS  # results of the first attempt are reused
    out = Folder(f"{place}/out")
    lines = [line for name in out.list() if name.endswith(".jsonl") for line in out.read(name).decode().splitlines()]
    assert lines == [f'{{"id":{i},"text":"row {i}"}}' for i in range(FILES * ROWS)]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_interrupted_run_resumes(tmp_path: Path, kind: str) -> None:
    resumed(str(tmp_path), kind)


@pytest.mark.s3
@pytest.mark.parametrize("kind", FORMATS)
def test_an_interrupted_run_resumes_on_s3(bucket: str, kind: str) -> None:
    resumed(bucket, kind)
