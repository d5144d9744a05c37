"""A server without Ray whose engine stops."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from datajob.errors import DataJobError
from datajob.operators.inference._engines.serving import ModelFailed
from datajob.serving.running import serve
from tests.support.serving import PATIENCE, FakeServing, new_service


def test_a_server_whose_engine_stops_ends_with_the_reason() -> None:
    engine, ready = FakeServing(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(serve, new_service(engine), lambda: engine, "127.0.0.1", 0, lambda _: ready.set())
        assert ready.wait(PATIENCE)
        engine.fail(ModelFailed("the device was lost"))
        with pytest.raises(DataJobError, match=r"The model has stopped: the device was lost\. Start the service again\."):
            ended.result(PATIENCE)
