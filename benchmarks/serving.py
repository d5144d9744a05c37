"""The cost of the application of a ModelService, with an engine that needs no CPU: `make bench-serving`.

Prints requests per second, the time that the application adds to the first token of 8 streams, and what overload does to
accepted requests and memory: for `datajob serve`, and for Ray Serve with its HAProxy (`--ray`).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from benchmarks.serving_client import Reply, load

STEP = 0.01
"""Seconds per token of the engine."""
TOKENS = 50
STREAMS = 8
ROUNDS = 5
DEADLINE = 300.0
SPEC = """\
apiVersion: datajob.io/v1alpha1
kind: ModelService
metadata: {{name: bench}}
spec:
  model: {{textGeneration: {{model: "{step}", engine: fake, batchRows: {rows}}}}}
  auth: {{anonymous: true}}
  limits: {{concurrentRequests: {limit}}}
"""


def request(words: int, **fields: Any) -> dict[str, Any]:
    """A chat request whose answer has a number of tokens."""
    return {"model": "bench", "messages": [{"role": "user", "content": "w " * words}], **fields}


@contextmanager
def server(step: int, rows: int, limit: int, ray: bool) -> Iterator[tuple[int, int]]:
    """The port and the process of `datajob serve`."""
    port = 18_000 + os.getpid() % 1000
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "service.yaml"
        file.write_text(SPEC.format(step=step or "none", rows=rows, limit=limit))
        command = [sys.executable, "-m", "datajob.cli", "serve", str(file), "--port", str(port), "--quiet"]
        environment = {**os.environ, "RAY_SERVE_ENABLE_HA_PROXY": "1"}
        process = subprocess.Popen([*command, *(["--ray"] if ray else [])], env=environment)
        try:
            _await_health(port, process)
            yield port, process.pid
        finally:
            process.terminate()
            process.wait(120)


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def direct_first_token() -> list[float]:
    """The time to the first token without the application, for the same streams."""
    from datajob.operators.inference._engines.fake_serving import FakeServing
    from datajob.operators.inference._engines.serving import GenerationRequest

    async def run() -> list[float]:
        engine = FakeServing(STREAMS, STEP)
        found: list[float] = []

        async def stream() -> None:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                first = None
                async for _ in engine.generate(GenerationRequest(prompt="w " * TOKENS, max_new_tokens=TOKENS)):
                    first = first or time.perf_counter() - began
                found.append(first or 0.0)

        await asyncio.gather(*(stream() for _ in range(STREAMS)))
        return found

    return asyncio.run(run())


def requests_per_second(port: int) -> float:
    """The rate of requests with one token, of 8 clients."""
    body = request(1)
    asyncio.run(load(port, 8, 20, body))
    rates = []
    for _ in range(ROUNDS):
        replies, seconds = asyncio.run(load(port, 8, 100, body))
        assert {reply.status for reply in replies} == {200}
        rates.append(len(replies) / seconds)
    return median(rates)


def first_tokens(port: int) -> list[Reply]:
    """The streams of 8 clients."""
    body = request(TOKENS, stream=True, max_tokens=TOKENS)
    asyncio.run(load(port, STREAMS, 1, body))
    replies, _ = asyncio.run(load(port, STREAMS, ROUNDS, body))
    return replies


def memory(pid: int) -> float:
    """Resident memory of a process and its children in MB."""
    import psutil

    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6


def p95(replies: list[Reply]) -> float:
    """The 95th percentile of the time of accepted requests."""
    return quantiles([reply.seconds for reply in replies if reply.status == 200], n=20)[18]


def overload(port: int, pid: int, limit: int) -> None:
    """As many clients as the limit, then four times as many."""
    body = request(20, max_tokens=20)
    asyncio.run(load(port, limit, 2, body))
    before = memory(pid)
    normal, _ = asyncio.run(load(port, limit, 20, body))
    crowd, _ = asyncio.run(load(port, 4 * limit, 40, body))
    counts = {status: sum(reply.status == status for reply in crowd) for status in {reply.status for reply in crowd}}
    well_formed = all(reply.well_formed for reply in crowd)
    print(f"  overload of 4x: {counts}, all refusals well-formed: {well_formed}")
    print(
        f"  p95 of accepted requests: {p95(normal):.3f} s, under overload {p95(crowd):.3f} s ({p95(crowd) / p95(normal):.2f}x)"
    )
    print(f"  memory: {before:.0f} MB, after the overload {memory(pid) - before:+.0f} MB")


def main() -> None:
    """Run all measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ray", action="store_true", help="Ray Serve instead of a single process")
    ray = parser.parse_args().ray
    print("Ray Serve with HAProxy" if ray else "datajob serve")
    with server(0, 64, 1000, ray) as (port, _):
        print(f"  {requests_per_second(port):.0f} requests/s of 8 clients")
    direct = direct_first_token()
    with server(int(STEP * 1000), STREAMS, 1000, ray) as (port, _):
        found = first_tokens(port)
        firsts = [reply.first or 0.0 for reply in found]
        ideal = TOKENS * STEP
        print(f"  first token of {STREAMS} streams: {1000 * mean(firsts):.1f} ms, engine alone {1000 * mean(direct):.1f} ms: "
              f"{1000 * (mean(firsts) - mean(direct)):+.1f} ms; whole stream {mean(r.seconds for r in found):.2f} s "
              f"({ideal:.2f} s of steps)")  # fmt: skip
    with server(int(STEP * 1000), STREAMS, 4 * STREAMS, ray) as (port, pid):
        overload(port, pid, 4 * STREAMS)


if __name__ == "__main__":
    main()
