"""/metrics, /livez and /readyz."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from datajob_controller.runtime.metrics import Metrics

SILENT_SECONDS = 120
"""The controller counts as stuck after this many seconds without a heartbeat."""


class Health:
    """The answers to the probes."""

    def __init__(self, is_ready: Callable[[], bool], metrics: Metrics) -> None:
        self._is_ready = is_ready
        self._metrics = metrics
        self._last_heartbeat = time.monotonic()

    def heartbeat(self) -> None:
        """An item passed through the queue, or this standby replica tried to acquire the Lease."""
        self._last_heartbeat = time.monotonic()
        self._metrics.last_heartbeat.set_to_current_time()

    def live(self) -> bool:
        """Whether there was a heartbeat recently."""
        return time.monotonic() - self._last_heartbeat < SILENT_SECONDS

    def ready(self) -> bool:
        """Whether this replica leads with its watches established, or stands by."""
        return self._is_ready()


async def serve(health: Health, render: Callable[[], bytes], port: int) -> tuple[web.AppRunner, int]:
    """Start the server; returns its runner, for the cleanup, and its port. `render` renders the metrics."""

    scrapes = ThreadPoolExecutor(1, "metrics")

    def respond(holds: bool) -> web.Response:
        return web.Response(text="ok\n" if holds else "no\n", status=200 if holds else 503)

    async def livez(_: web.Request) -> web.Response:
        return respond(health.live())

    async def readyz(_: web.Request) -> web.Response:
        return respond(health.ready())

    async def show(_: web.Request) -> web.Response:
        # In a thread: with thousands of jobs it takes so long that the Lease could not be renewed in time.
        body = await asyncio.get_running_loop().run_in_executor(scrapes, render)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, port=port)
    await site.start()
    return runner, int(runner.addresses[0][1])
