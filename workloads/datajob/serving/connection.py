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
_Result = TypeVar("_Result")


class ClientGone(Exception):
    """The client has closed the connection, or does not read its reply."""


async def while_connected(receive: Receive, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of the work. If the client closes the connection, the work is canceled. Raises ClientGone."""
    working, watching = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events. `on_end` is called with whether the client has received all of them, also if none was sent."""
        complete = False
        try:
            with suppress(ClientGone, OSError):
                await while_connected(receive, self._send(send))
                complete = True
        finally:
            await self._on_end(complete)

    async def _send(self, send: Send) -> None:
        async with aclosing(self._events) as events:  # type: ignore[type-var]
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for body in events:
                await _within(send, {"type": "http.response.body", "body": body, "more_body": True})
            await _within(send, {"type": "http.response.body", "body": b"", "more_body": False})


async def _within(send: Send, message: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(SEND_SECONDS):
            await send(message)
    except TimeoutError:
        raise ClientGone from None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
