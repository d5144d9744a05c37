"""Runs a service on this machine, without Ray: the server starts at once, and the model is loaded meanwhile."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI

from datajob.errors import DataJobError
from datajob.operators.inference._engines.serving import ModelFailed, ServingEngine
from datajob.serving.application import create_app
from datajob.serving.protocol import Protocol, raise_file_limit
from datajob.serving.service import Service

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 60
"""Time for requests in progress after SIGTERM or Ctrl-C."""
KEEP_ALIVE_SECONDS = 75
HEALTH_SECONDS = 1.0
"""Time between two checks of the engine."""


class Server(uvicorn.Server):
    """A web server that refuses new requests while it completes those in progress."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and Ctrl-C. Unlike the base class, do not raise the signal again after a complete shutdown."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Complete the requests in progress."""
        admission = self._service.admission
        admission.draining = True
        hint = f" ({admission.in_progress} in progress; Ctrl-C ends them)" if admission.in_progress else ""
        logger.info("Shutting down when all requests are complete%s.", hint)
        await super().shutdown(sockets)


def server_of(app: FastAPI, service: Service) -> Server:
    """The web server of an application."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http=Protocol,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return Server(config, service)


def serve(service: Service, load: Callable[[], ServingEngine], host: str, port: int, on_ready: Callable[[int], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C. `on_ready` is called with the port when the model is loaded.

    Raises DataJobError if the port is in use or the engine stops, and the error of a model that cannot be loaded.
    """
    raise_file_limit()
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise DataJobError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Use another `--host` or `--port`."
        ) from error
    with listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio only sets it for sockets that it creates
        logger.info(
            "Listening on %s, port %d. Requests receive status 503 until the model is loaded.", *listener.getsockname()[:2]
        )
        asyncio.run(_serve(service, load, server_of(create_app(service), service), listener, on_ready))


async def _serve(
    service: Service,
    load: Callable[[], ServingEngine],
    server: Server,
    listener: socket.socket,
    on_ready: Callable[[int], None],
) -> None:
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    loading = _in_thread(load)
    await asyncio.wait((serving, loading), return_when=asyncio.FIRST_COMPLETED)
    try:
        if loading.done() and not serving.done():
            engine = loading.result()
            service.start(engine)
            on_ready(listener.getsockname()[1])
            await _until_failed(engine, serving)
        await serving
    except BaseException:
        server.should_exit = True
        await serving
        raise
    finally:
        if service.engine is not None:
            await asyncio.to_thread(service.engine.close)


async def _until_failed(engine: ServingEngine, serving: asyncio.Future[None]) -> None:
    """Wait until the server ends. Raises DataJobError if the engine stops before."""
    while not serving.done():
        try:
            engine.check_health()
        except ModelFailed as error:
            raise DataJobError(f"The model has stopped: {error}. Start the service again.") from error
        await asyncio.wait((serving,), timeout=HEALTH_SECONDS)


def _in_thread(load: Callable[[], ServingEngine]) -> asyncio.Future[ServingEngine]:
    """The engine, loaded in a thread that does not delay the end of the process."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[ServingEngine] = loop.create_future()

    def settle(engine: ServingEngine | None, error: Exception | None) -> None:
        if loaded.cancelled():
            return
        if engine is not None:
            loaded.set_result(engine)
        else:
            loaded.set_exception(error or RuntimeError("no engine"))

    def run() -> None:
        engine, failure = None, None
        try:
            engine = load()
        except Exception as error:  # noqa: BLE001 - raised by the future
            failure = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, engine, failure)

    threading.Thread(target=run, name="load", daemon=True).start()
    return loaded
