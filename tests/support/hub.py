"""A stand-in for the Hugging Face Hub, to which its client connects."""

import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from tests.support.hub_requests import HubRequest
from tests.support.hub_store import Hub

__all__ = ["Hub", "hub"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running stand-in, to which the environment points."""
    import huggingface_hub
    from huggingface_hub import HfFileSystem

    huggingface_hub.utils.disable_progress_bars()
    found = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (HubRequest,), {"hub": found}))
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", found.url)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=found.slept.append, time=time.time))
    HfFileSystem.clear_instance_cache()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The stand-in, with a valid token in the environment."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub
