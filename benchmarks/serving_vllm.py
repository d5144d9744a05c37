"""How vLLM serves many clients, compared with one client and with the offline step on the same requests.

`make bench-serving-vllm` (environment of `make test-vllm`). The model has random weights and the size `mid` of the tests.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from benchmarks.serving_model import ALONE, CLIENTS, NEW, ROUNDS, ask, requests


def offline(engine: Any, work: list[Any]) -> float:
    """Rows per second of the engine of the offline step."""
    from datajob.operators.inference._engines.base import Options, Request

    began = time.perf_counter()
    for future in engine.submit([Request("", Options(NEW), messages=one.messages) for one in work]):
        future.result()
    return len(work) / (time.perf_counter() - began)


async def compare(online: Any, step: Any) -> None:
    """Run all comparisons alternately."""
    await ask(online, requests(CLIENTS), CLIENTS)
    offline(step, requests(CLIENTS))
    rates: dict[str, list[float]] = {"one": [], "many": [], "offline": []}
    waits: list[float] = []
    for _ in range(ROUNDS):
        rates["one"].append((await ask(online, requests(ALONE), 1))[0])
        rate, whole, first = await ask(online, requests(4 * CLIENTS), CLIENTS)
        rates["many"].append(rate)
        waits += whole
        rates["offline"].append(await asyncio.to_thread(offline, step, requests(4 * CLIENTS)))
    one, many, rows = (median(found) for found in rates.values())
    print(f"one client          {one:8.2f} requests/s")
    print(f"{CLIENTS} clients          {many:8.2f} requests/s, {many / one:.2f}x one client")
    print(f"offline step        {rows:8.2f} rows/s; the service reaches {many / rows:.2f}")
    p99, middle = quantiles(waits, n=100)[98], mean(waits)
    print(f"time of a request   mean {middle:.2f} s, p99 {p99:.2f} s ({p99 / middle:.2f}x); first token {mean(first):.2f} s")


def main() -> None:
    """Load the model twice: online, and as in the step."""
    from datajob.operators.base import Device
    from datajob.operators.inference._engines.base import Settings
    from datajob.operators.inference._engines.choosing import start_engine, start_serving
    from tests.support.models.llava import make_llama

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings("text", str(make_llama(Path(folder), size="mid")), engine="vllm", batch_rows=16)
        online, step = start_serving(settings, Device("cpu", 2)), start_engine(settings, Device("cpu", 2))
    print(f"{online.description}\n{CLIENTS} clients, answers of {NEW} tokens, {online.slots} rows in a batch")
    asyncio.run(compare(online, step))
    online.close()
    step.close()


if __name__ == "__main__":
    main()
