"""A service in this process: the real application and a real web server, on a free port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from datajob.api.service.spec import RequestLimits
from datajob.operators.inference._engines.fake_serving import FakeServing
from datajob.serving.application import create_app
from datajob.serving.keys import Everyone
from datajob.serving.metrics import PrometheusMeter
from datajob.serving.running import server_of
from datajob.serving.service import Service

PATIENCE = 120.0
"""Seconds until a condition must hold, on a slow machine."""


@dataclass
class Running:
    """A running service."""

    service: Service
    port: int
    loop: asyncio.AbstractEventLoop
    server: Any
    """The web server."""

    @property
    def url(self) -> str:
        """The base URL of clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    def client(self, key: str = "-", **options: Any) -> Any:
        """The official client, without retries unless they are asked for."""
        from openai import OpenAI

        return OpenAI(base_url=self.url, api_key=key, **{"max_retries": 0, "timeout": PATIENCE, **options})

    def send(self, data: bytes) -> bytes:
        """What the server sends back for raw bytes, until it closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(data)
            found = b""
            while chunk := connection.recv(65_536):
                found += chunk
            return found

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of a reply."""
        import http.client
        import json

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path, data, {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            return reply.status, {k.lower(): v for k, v in reply.getheaders()}, json.loads(reply.read())
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a reply."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        finally:
            connection.close()


def new_service(engine: Any = None, **options: Any) -> Service:
    """A service with the name `test` for everyone."""
    service = Service(**{"name": "test", "access": Everyone(), "meter": PrometheusMeter("test"), **options})
    service.start(engine or FakeServing())
    return service


@contextmanager
def running(service: Service) -> Iterator[Running]:
    """A web server for a service, in a thread."""
    server = server_of(create_app(service), service)
    listener = socket.create_server(("127.0.0.1", 0))
    started: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    async def serve() -> None:
        started.append(asyncio.get_running_loop())
        ready.set()
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield Running(service, listener.getsockname()[1], started[0], server)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


__all__ = ["PATIENCE", "FakeServing", "RequestLimits", "Running", "new_service", "running"]
