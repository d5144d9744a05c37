"""A job that asks an endpoint, against a real server with a limited capacity: `make bench-endpoint`.

Prints the share of the server's rate from the 30th second on, and, for a server that rejects 20% of the requests and a job that
is killed twice, how many answers were paid for more than once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.endpoint_server import KEY, EndpointServer, endpoint_server, rejecting

SETTLED = 30.0
"""Seconds after which the rate of the server must be reached."""


def main() -> None:
    """Run both measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    rows = parser.parse_args().rows
    print(f"rate: {rate(rows):.2f} of the capacity of the server after {SETTLED:g} s")
    answers, requests = killed_twice(rows)
    print(f"killed twice, 20% rejected: {answers / rows:.4f} answers and {requests / rows:.2f} requests per row")


def rate(rows: int, slots: int = 50, seconds: float = 0.5) -> float:
    """The rate of answers as a share of the capacity, from SETTLED seconds after the first request on."""
    with tempfile.TemporaryDirectory() as folder, endpoint_server(key=KEY, slots=slots, seconds=seconds) as server:
        process = _start(Path(folder), server, rows)
        while not server.calls:
            time.sleep(0.05)
        time.sleep(SETTLED)
        first, at = len(server.answered), time.monotonic()
        while len(server.answered) < rows * 0.95 and process.poll() is None:
            time.sleep(0.05)
        found = (len(server.answered) - first) / (time.monotonic() - at)
        _check(process, Path(folder), rows)
    return found / (slots / seconds)


def killed_twice(rows: int) -> tuple[int, int]:
    """The answers and the requests of a job that is killed after a third and after two thirds of the rows."""
    with tempfile.TemporaryDirectory() as folder, endpoint_server(key=KEY, slots=25, seconds=0.25) as server:
        server.refuse = rejecting(0.2, seed=1)
        for part in (1, 2):
            process = _start(Path(folder), server, rows)
            while len(server.answered) < rows * part // 3:
                assert process.poll() is None
                time.sleep(0.01)
            process.kill()
            process.wait()
        _check(_start(Path(folder), server, rows), Path(folder), rows)
        return sum(server.answered.values()), len(server.calls)


def _start(folder: Path, server: EndpointServer, rows: int) -> subprocess.Popen[bytes]:
    source = folder / "in.jsonl"
    if not source.exists():
        source.write_text("".join(json.dumps({"id": i, "text": f"row {i}"}) + "\n" for i in range(rows)))
    endpoint = {"url": server.url, "model": "m", "keyFrom": {"env": "BENCH_ENDPOINT_KEY"}}
    spec = {
        "sources": [{"json": {"paths": [str(source)]}}],
        "steps": [{"textGeneration": {"prompt": "{text}", "endpoint": endpoint}}],
        "sink": {"json": {"path": str(folder / "out")}},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "bench-endpoint"}, "spec": spec}
    (folder / "job.json").write_text(json.dumps(job))
    command = [sys.executable, "-m", "datajob.cli", "run", "--quiet", str(folder / "job.json")]
    return subprocess.Popen(command, env={**os.environ, "BENCH_ENDPOINT_KEY": KEY})


def _check(process: subprocess.Popen[bytes], folder: Path, rows: int) -> None:
    """Each row is in the result once, with its answer."""
    assert process.wait() == 0
    files = json.loads((folder / "out" / "_datajob" / "manifest.json").read_text())["files"]
    found: list[dict[str, Any]] = [
        json.loads(line) for file in files for line in (folder / "out" / file["path"]).read_text().splitlines()
    ]
    assert [(row["id"], row["answer"]) for row in found] == [(i, f"answer to row {i}") for i in range(rows)]


if __name__ == "__main__":
    main()
