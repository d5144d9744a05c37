"""Damaged files under every policy: what can be read is read, and every row is counted."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from datajob.errors import InputError
from tests.support.local_jobs import make_job, read_manifest, run

ROWS = 5000
WARC = "WARC/1.0\r\nWARC-Type: resource\r\nContent-Type: text/{0}\r\nContent-Length: 16\r\n\r\nrecord {1:09}\r\n\r"


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
@pytest.mark.parametrize("kind", ["json", "csv", "text", "warc"])
def test_the_rest_of_a_truncated_file_is_one_failed_row(tmp_path: Path, kind: str, policy: str) -> None:
    lines = {"json": '{{"id":{0},"t":"text {1}"}}', "csv": "{0},text {1}", "text": "{0} text {1}", "warc": WARC}[kind]
    header = "id,t\n" if kind == "csv" else ""
    data = header + "".join(lines.format(i, i * 7919 % 10007) + "\n" for i in range(ROWS))
    suffix = {"json": "jsonl", "csv": "csv", "text": "txt", "warc": "warc"}[kind]
    path = tmp_path / f"a.{suffix}.gz"
    path.write_bytes(gzip.compress(data.encode())[:-4000])
    (tmp_path / f"b.{suffix}").write_text(data)
    errors: dict[str, Any] = {"policy": policy, **({"path": str(tmp_path / "bad")} if policy == "quarantine" else {})}
    source = {kind: {"paths": [str(path), str(tmp_path / f"b.{suffix}")]}}
    report = run(make_job(tmp_path, tmp_path / "out", sources=[source], errors=errors))
    progress = report.progress
    assert progress.rows_failed == 1
    assert ROWS < progress.rows_out < 2 * ROWS
    assert progress.rows_in == progress.rows_out + progress.rows_failed
    rows = read_manifest(tmp_path / "out")
    assert rows[:-ROWS] == rows[-ROWS:][: len(rows) - ROWS]
    with pytest.raises(InputError, match=rf"{path.name}: cannot be read( as WARC)?: it is truncated"):
        run(make_job(tmp_path, tmp_path / "strict", sources=[source]))


@pytest.mark.parametrize("policy", ["drop", "quarantine"])
def test_every_row_of_a_bad_csv_file_is_written_or_failed(tmp_path: Path, policy: str) -> None:
    lines = ["id,t,x", *(f"{i},text {i},{i}" for i in range(100))]
    lines[11] = '10,"5 inch,10'
    lines[21] = "20,short"
    lines[31] = "30,too,many,values"
    (tmp_path / "x.csv").write_bytes("\n".join(lines).encode() + b"\n100,\xff,100\n")
    errors: dict[str, Any] = {"policy": policy, **({"path": str(tmp_path / "bad")} if policy == "quarantine" else {})}
    source = {"csv": {"paths": [str(tmp_path / "x.csv")]}}
    report = run(make_job(tmp_path, tmp_path / "out", sources=[source], errors=errors))
    assert (report.progress.rows_in, report.progress.rows_out, report.progress.rows_failed) == (101, 97, 4)
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == [i for i in range(100) if i not in (10, 20, 30)]
