"""A proxy between the controller and the API server that delays requests, or answers all of them with an error."""

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

_PASSED_ON = ("Authorization", "Accept", "Content-Type")


class Proxy:
    """A proxy at `address` (`http://host:port`)."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._error = 0
        self._delay = ("", 0.0)
        self._open: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._tls = _unverified()
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        self.address = ""

    def delay(self, path: str, seconds: float) -> None:
        """Delay requests for paths that end with `path`."""
        self._delay = (path, seconds)

    def fail(self, code: int) -> None:
        """End every open request, and answer new ones with an error; 0 means that requests are passed on again."""
        self._error = code
        for task in list(self._open) if code else ():
            self._loop.call_soon_threadsafe(task.cancel)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._error:
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self._error, "message": "planted"}
            return web.Response(status=self._error, text=json.dumps(status), content_type="application/json")
        path, seconds = self._delay
        if path and request.path.endswith(path):
            await asyncio.sleep(seconds)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body, url = await request.read() or None, f"{self._server}{request.path_qs}"
        assert self._session
        async with self._session.request(request.method, url, headers=headers, data=body, ssl=self._tls) as found:
            response = web.StreamResponse(status=found.status, headers={"Content-Type": found.headers["Content-Type"]})
            await response.prepare(request)
            copy = asyncio.create_task(_copy(found, response))
            self._open.add(copy)
            copy.add_done_callback(self._open.discard)
            await asyncio.wait([copy])
        return response

    async def _serve(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def run(self, started: threading.Event) -> None:
        """Serve until stopped."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._close())

    async def _close(self) -> None:
        await self._runner.cleanup()
        if self._session:
            await self._session.close()

    def stop(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._loop.stop)


@contextmanager
def proxy_to(server: str) -> Iterator[Proxy]:
    """A proxy to an API server (`https://host:port`)."""
    made, started = Proxy(server), threading.Event()
    thread = threading.Thread(target=made.run, args=(started,), daemon=True)
    thread.start()
    assert started.wait(120)
    try:
        yield made
    finally:
        made.stop()
        thread.join(10)


async def _copy(found: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
    async for chunk in found.content.iter_any():
        await response.write(chunk)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the tests are about the client
    return context
