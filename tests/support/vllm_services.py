"""Services whose model is loaded by vLLM, for the tests of `make test-vllm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from datajob.api.service.spec import ModelServiceSpec
from datajob.operators.base import Device
from datajob.serving.assembly import assemble, load_engine
from datajob.serving.metrics import PrometheusMeter
from tests.support.serving import PATIENCE, Running, running


@contextmanager
def served_by_vllm(**model: Any) -> Iterator[Running]:
    """A service whose model is loaded by vLLM."""
    spec = ModelServiceSpec.model_validate({"model": model, "auth": {"anonymous": True}})
    service = assemble(spec, "tiny", PrometheusMeter("tiny"), "")
    service.start(load_engine(spec, Device("cpu", 1)))
    assert service.engine is not None
    try:
        with running(service) as found:
            yield found
    finally:
        service.engine.close()


def ask_client(service: Running, prompt: str, **options: Any) -> Any:
    """The reply to a conversation of one message."""
    messages = [{"role": "user", "content": prompt}]
    return service.client().chat.completions.create(model="tiny", messages=messages, **options)


def said(reply: Any, index: int = 0) -> str:
    """The text of an answer."""
    return str(reply.choices[index].message.content)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def engine_of(service: Running) -> Any:
    """The AsyncLLM of vLLM."""
    engine: Any = service.service.engine
    return engine._engine
