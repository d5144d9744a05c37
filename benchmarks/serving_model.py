"""How a model serves many clients: `make bench-serving-model`.

Compares 32 concurrent clients with one at a time, and with the batches of the offline step on the same requests. The model is
a language model with random weights of the size `mid` of the tests.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

CLIENTS = 32
ROUNDS = 3
ALONE = 8
"""Number of requests of the client that is alone."""
NEW = 32
SEED = 20_261_127


def requests(count: int) -> list[Any]:
    """Conversations of different lengths with answers of up to NEW tokens."""
    from datajob.operators.inference._engines.serving import GenerationRequest, Message

    chance = random.Random(SEED)
    words = ["describe", "the", "value", "of", "a", "list", "in", "python"]
    texts = [" ".join(chance.choices(words, k=chance.randint(8, 64))) for _ in range(count)]
    return [GenerationRequest(messages=(Message("user", (text,)),), max_new_tokens=NEW) for text in texts]


async def ask(engine: Any, work: list[Any], clients: int) -> tuple[float, list[float], list[float]]:
    """Requests per second of some clients, and the seconds to the last and to the first token of each request."""
    pending = list(work)
    whole: list[float] = []
    first: list[float] = []

    async def client() -> None:
        while pending:
            request, began = pending.pop(), time.perf_counter()
            arrived = None
            async for _ in engine.generate(request):
                arrived = arrived or time.perf_counter() - began
            first.append(arrived or 0.0)
            whole.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(work) / (time.perf_counter() - began), whole, first


def offline(engine: Any, work: list[Any]) -> float:
    """Rows per second of the batches of the offline step with the same model."""
    from datajob.operators.inference._engines.base import Options, Request
    from datajob.operators.inference._engines.batching import Batcher

    batcher = Batcher(engine._generator)
    options = Options(NEW)
    began = time.perf_counter()
    for future in batcher.submit([Request("", options, messages=one.messages) for one in work]):
        future.result()
    seconds = time.perf_counter() - began
    batcher.close()
    return len(work) / seconds


def main() -> None:
    """Run all comparisons on one model, alternately."""
    from datajob.operators.base import Device
    from datajob.operators.inference._engines.base import Settings
    from datajob.operators.inference._engines.choosing import start_serving
    from tests.support.models.llava import make_llama

    with tempfile.TemporaryDirectory() as folder:
        engine = start_serving(Settings("text", str(make_llama(Path(folder), size="mid"))), Device("cpu", 2))
    print(f"{engine.description}\n{CLIENTS} clients, answers of {NEW} tokens, {engine.slots} rows in a batch")
    asyncio.run(ask(engine, requests(CLIENTS), CLIENTS))
    rates: dict[str, list[float]] = {"one client": [], "clients": [], "offline": []}
    waits: list[float] = []
    for _ in range(ROUNDS):
        rates["one client"].append(asyncio.run(ask(engine, requests(ALONE), 1))[0])
        rate, whole, first = asyncio.run(ask(engine, requests(4 * CLIENTS), CLIENTS))
        rates["clients"].append(rate)
        waits += whole
        rates["offline"].append(offline(engine, requests(4 * CLIENTS)))
    engine.close()
    middle = {name: median(found) for name, found in rates.items()}
    print(f"one client          {middle['one client']:8.2f} requests/s")
    many = middle["clients"]
    print(f"{CLIENTS} clients          {many:8.2f} requests/s, {many / middle['one client']:.2f}x one client")
    print(f"offline step        {middle['offline']:8.2f} rows/s; the service reaches {many / middle['offline']:.2f}")
    p99, middle_wait = quantiles(waits, n=100)[98], mean(waits)
    print(f"time of a request   mean {middle_wait:.2f} s, p99 {p99:.2f} s ({p99 / middle_wait:.2f}x)")
    print(f"first token         mean {mean(first):.2f} s")


if __name__ == "__main__":
    main()
