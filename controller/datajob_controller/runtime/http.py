"""/metrics, /livez and /readyz."""

import time
from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from datajob_controller.runtime.metrics import Metrics

SILENT_SECONDS = 120
"""Work has to go through the queue this often, or the controller is taken for stuck."""


class Health:
    """What the probes ask."""

    def __init__(self, is_ready: Callable[[], bool], metrics: Metrics) -> None:
        self._is_ready = is_ready
        self._metrics = metrics
        self._beat = time.monotonic()

    def beat(self) -> None:
        """Work went through the queue, or this replica waits for the Lease and asked for it."""
        self._beat = time.monotonic()
        self._metrics.last_beat.set_to_current_time()

    def live(self) -> bool:
        """Whether that was lately."""
        return time.monotonic() - self._beat < SILENT_SECONDS

    def ready(self) -> bool:
        """Whether this replica does its part: it leads with its watches on, or stands by."""
        return self._is_ready()


async def serve(health: Health, metrics: Metrics, port: int) -> tuple[web.AppRunner, int]:
    """Start the server; gives its runner, to be cleaned up, and the port it has."""

    def answer(holds: bool) -> web.Response:
        return web.Response(text="ok\n" if holds else "no\n", status=200 if holds else 503)

    async def livez(_: web.Request) -> web.Response:
        return answer(health.live())

    async def readyz(_: web.Request) -> web.Response:
        return answer(health.ready())

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, port=port)
    await site.start()
    return runner, int(runner.addresses[0][1])
