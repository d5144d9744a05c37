"""Runs steps with an endpoint against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from datajob.operators.base import Batch, Device, Inferred
from datajob.operators.inference._endpoint_step import EndpointStep
from datajob.operators.inference._endpoints import sender
from datajob.operators.inference.embed import Embed
from datajob.operators.inference.text_generation import TextGeneration
from tests.support.endpoint_server import KEY, EndpointServer, endpoint_server

Run = Callable[..., Inferred]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    monkeypatch.setenv("TEST_ENDPOINT_KEY", KEY)
    monkeypatch.setattr(sender, "BACKOFF", 0.01)
    with endpoint_server(key=KEY) as found:
        yield found


@pytest.fixture
def run(server: EndpointServer) -> Iterator[Run]:
    """Runs a step on rows with this server."""
    engines: list[Any] = []

    def call(step: Any = TextGeneration, rows: Any = None, endpoint: dict[str, Any] | None = None, **fields: Any) -> Inferred:
        block = {"url": server.url, "model": "tiny", "keyFrom": {"env": "TEST_ENDPOINT_KEY"}, **(endpoint or {})}
        fields = {"prompt": "say {text}", **fields} if step is not Embed else {"column": "text", **fields}
        made: EndpointStep = step(endpoint=block, **fields)
        engines.append(made.setup(Device("cpu")))
        table = rows if isinstance(rows, pa.Table) else pa.table({"text": rows or ["a", "b", "c"]})
        return made.infer(Batch(table), engines[-1])

    yield call
    for engine in engines:
        engine.close()


def answers(found: Inferred, column: str = "answer") -> list[Any]:
    return found.columns[column].to_pylist()
