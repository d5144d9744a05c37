"""A proxy in front of the API server that delays requests for some paths."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

_PASSED_ON = ("Authorization", "Accept", "Content-Type")


@contextmanager
def slow_proxy(server: str, delayed: str, seconds: float) -> Iterator[str]:
    """The address (`http://host:port`) of a proxy to `server` that delays paths that end with `delayed`."""
    loop, started, address = asyncio.new_event_loop(), threading.Event(), []

    async def handle(request: web.Request) -> web.StreamResponse:
        if request.path.endswith(delayed):
            await asyncio.sleep(seconds)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body = await request.read()
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.request(
                request.method, f"{server}{request.path_qs}", headers=headers, data=body, ssl=_unverified()
            ) as found,
        ):
            response = web.StreamResponse(status=found.status, headers={"Content-Type": found.headers["Content-Type"]})
            await response.prepare(request)
            async for chunk in found.content.iter_any():
                await response.write(chunk)
        return response

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the tests are about the client
    return context
