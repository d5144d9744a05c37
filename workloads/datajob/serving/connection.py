"""Work for a client that may go away: it is canceled then. Streams of events with a limit for slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SEND_SECONDS = 60.0
"""Maximum time that a client may take to accept a part of a reply."""
COMMENT_SECONDS = 15.0
"""A stream without an event for this time gets a comment: proxies close connections on which nothing is sent."""
COMMENT = b": wait\n\n"
_Result = TypeVar("_Result")


class ClientGone(Exception):
    """The client has closed the connection, or does not read its reply."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of the work. If the client closes the connection, the work is canceled. Raises ClientGone."""
    return await _while(_until_disconnected(receive), work)


async def _while(watch: Coroutine[Any, Any, None], work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of the work. If the watch, which has no end, raises an error, the work is canceled."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(watch)
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await watching
        return await working
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


class EventStream(Response):
    """A reply with server-sent events."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterator[bytes], headers: Mapping[str, str], on_end: Callable[[bool], Awaitable[None]]
    ) -> None:
        super().__init__(headers={**headers, "Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events, self._on_end = events, on_end
        self._complete = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events. `on_end` is called with whether the client has received all of them, also if none was sent."""
        try:
            with suppress(ClientGone, OSError):
                await while_connected(receive, self._send(send))
        finally:
            await self._on_end(self._complete)

    async def _send(self, send: Send) -> None:
        body = _Body(send)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _while(body.comment(), self._send_events(body))

    async def _send_events(self, body: _Body) -> None:
        async with aclosing(self._events) as events:  # type: ignore[type-var]
            async for event in events:
                await body.send(event)
            await body.send(b"", more=False)
            self._complete = True  # from here on, the server reports the end of the reply like a client that has gone


class _Body:
    """The body of a stream. Its parts are events, and comments while there are none."""

    def __init__(self, send: Send) -> None:
        self._send, self._turn = send, asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._sent = self._loop.time()

    async def send(self, part: bytes, *, more: bool = True) -> None:
        """Send a part. Raises ClientGone if the client does not accept it."""
        try:
            async with self._turn, asyncio.timeout(SEND_SECONDS):
                await self._send({"type": "http.response.body", "body": part, "more_body": more})
        except TimeoutError:
            raise ClientGone from None
        self._sent = self._loop.time()

    async def comment(self) -> None:
        """Send a comment whenever nothing else has been sent for some time."""
        while True:
            await asyncio.sleep(self._sent + COMMENT_SECONDS - self._loop.time())
            if self._loop.time() >= self._sent + COMMENT_SECONDS:
                await self.send(COMMENT)


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientGone
