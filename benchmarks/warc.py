"""From WARC to texts that pass R1, as one job, compared with the same pipeline of datatrove and with the extractor alone.

    uv run python -m benchmarks.warc

The pages are documents of the corpus with a menu, a sidebar and a footer, in gzip members as in Common Crawl. datatrove runs in
a separate environment with the same version of trafilatura.
"""

from __future__ import annotations

import gzip
import html
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import CACHE, corpus
from benchmarks.engine import CORES
from benchmarks.figures import Figure, alternate, publish
from benchmarks.text_peers import DATATROVE, R1

PAGES_MB = 20
"""Enough work for all cores: short jobs run in one process."""
PAGE = {"column": "content", "contentType": "contentType"}
CORPUS_MB = 100
MENU = "".join(f'<li><a href="/section/{i}">Section {i}</a></li>' for i in range(40))
SIDE = "".join(f'<div class="teaser"><a href="/{i}">Read more about topic {i}</a></div>' for i in range(20))
WARC = "WARC/1.0\r\nWARC-Type: {}\r\nWARC-Record-ID: <urn:uuid:{}>\r\nWARC-Target-URI: http://example.org/{}\r\n"
DATE = "WARC-Date: 2026-11-01T00:00:00Z\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: {}\r\n\r\n"


def page(text: str) -> str:
    """A document as a web page."""
    paragraphs = "".join(f"<p>{html.escape(part)}</p>\n" for part in text.split("\n\n"))
    title = html.escape(text[:40])
    head = f"<!DOCTYPE html><html><head><meta charset=utf-8><title>{title}</title></head>"
    main = f"<body><nav><ul>{MENU}</ul></nav><main><article>{paragraphs}</article></main>"
    return f"{head}{main}<aside>{SIDE}</aside><footer>Imprint, privacy, terms</footer></body></html>"


def write_warc(work: Path) -> tuple[Path, float, list[str]]:
    """A folder with WARC files, two per core, the MB of their records, and the pages."""
    import pyarrow.dataset as ds

    texts = ds.dataset(corpus(CORPUS_MB, files=10)).to_table(columns=["text"]).column("text").drop_null()
    step = max(1, round(texts.nbytes / (PAGES_MB * 1e6)))
    pages = [page(text) for text in texts.take(list(range(0, len(texts), step))).to_pylist()]
    folder = work / "warc"
    folder.mkdir()
    size = 0
    files = 2 * CORES
    for number in range(files):
        with (folder / f"{number}.warc.gz").open("wb") as file:
            for index in range(number, len(pages), files):
                body = pages[index].encode()
                block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
                record = (WARC.format("response", index, index) + DATE.format(len(block))).encode() + block + b"\r\n\r\n"
                size += len(record)
                file.write(gzip.compress(record, 6, mtime=0))
    return folder, size / 1e6, pages


def run(source: Path, work: Path, steps: Sequence[dict[str, Any]]) -> Any:
    """Run the job as `datajob run` does, with slow steps in several processes, and return its report."""
    from datajob.api.loading import load
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions

    sink = {"parquet": {"path": str(work / "out"), "mode": "overwrite"}}
    spec = {"sources": [{"warc": {"paths": [str(source)]}}], "steps": list(steps), "sink": sink}
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "warc"}, "spec": spec}
    path = work / "job.yaml"
    path.write_text(yaml.safe_dump(job))
    return run_job(load(str(path))[0], RunOptions(executor="auto", fresh=True, shard_bytes=1 << 20))


def steady(source: Path, work: Path, steps: Sequence[dict[str, Any]]) -> float:
    """Seconds of the job without its startup."""
    report = run(source, work, steps)
    return float(report.seconds - report.startup_seconds)


def datatrove(source: Path, work: Path) -> tuple[float, int]:
    """Seconds of datatrove and the rows that it keeps."""
    place = CACHE / f"{DATATROVE[0]}-warc"
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        packages = (*DATATROVE, "warcio", "cchardet; python_version < '3.11'", "faust-cchardet", "python-magic")
        same = f"trafilatura=={version('trafilatura')}"
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *packages, same], check=True)
    folder = work / "datatrove"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    script = Path(__file__).with_name("warc_peer.py")
    command = [str(python), str(script), str(source), str(CORES), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(script.parents[1])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    seconds, rows = done.stdout.split()[-2:]
    return float(seconds), int(rows)


def alone(pages: Sequence[str]) -> float:
    """Seconds of trafilatura in one process for some of the pages, scaled to all pages and all cores."""
    import trafilatura

    some = pages[:: max(1, len(pages) // 100)]
    started = time.perf_counter()
    for one in some:
        trafilatura.extract(one, favor_precision=True, include_comments=False, deduplicate=False)
    return (time.perf_counter() - started) * len(pages) / len(some) / CORES


def main() -> None:
    """Measure and print."""
    extract = {"extractHtml": {**PAGE, "engine": "trafilatura"}}
    fast = {"extractHtml": {**PAGE, "engine": "resiliparse"}}
    with tempfile.TemporaryDirectory(prefix="datajob-warc-") as name:
        work = Path(name)
        source, size, pages = write_warc(work)
        kept: list[int] = []

        def theirs() -> float:
            seconds, rows = datatrove(source, work)
            kept.append(rows)
            return seconds

        theirs()
        steady(source, work, [extract, *R1])
        mine, other, extractor, reading, other_engine = alternate(
            3,
            lambda: steady(source, work, [extract, *R1]),
            theirs,
            lambda: alone(pages),
            lambda: steady(source, work, []),
            lambda: steady(source, work, [fast, *R1]),
        )
        rows = run(source, work, [extract, *R1]).progress.rows_out
    peer = f"datatrove {size / other:.2f} MB/s"
    publish([
        Figure("WARC, extractHtml (trafilatura), R1", size / mine, "MB/s", peer, other / mine, ">= 5"),
        Figure("WARC, extractHtml (resiliparse), R1", size / other_engine, "MB/s", peer, other / other_engine, ""),
        Figure("WARC to Parquet", size / reading, "MB/s", "", None, ""),
        Figure("trafilatura alone on all cores", size / extractor, "MB/s", "", extractor / mine, "share of the job"),
        Figure("rows kept", rows, "rows", f"datatrove {kept[-1]} rows", rows / max(1, kept[-1]), "1"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
