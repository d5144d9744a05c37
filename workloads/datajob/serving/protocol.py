"""HTTP of `datajob serve`: limits for slow clients and the number of connections, and errors in the format of OpenAI."""

from __future__ import annotations

import asyncio
import resource
import socket
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from datajob.serving.openai.errors import ApiError, encoded

HEADER_SECONDS = 30.0
"""Maximum time that a client may take to send the headers of a request."""
UNREAD_SECONDS = 60.0
"""Time after which the connection of a client is closed that reads nothing of its reply."""
RESERVED_FILES = 256
"""Open files that connections leave to the rest of the process."""


def raise_file_limit() -> None:
    """Allow this process as many open files, and thus connections, as the system permits."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # the present limit remains
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def max_connections() -> int:
    """The number of connections that the limit of open files permits."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(1, soft - RESERVED_FILES)


class Protocol(H11Protocol):
    """A connection."""

    _deadline: asyncio.TimerHandle | None = None
    """For the headers of the request that the client is sending."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close the connection if there are too many; otherwise, wait for a request."""
        super().connection_made(transport)
        self.access_log = False  # addresses can contain keys; other libraries may have enabled the log of uvicorn
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            connected = transport.get_extra_info("socket")
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_SECONDS * 1000))
        if len(self.connections) > max_connections():
            text = "The server has too many connections. Retry the request."
            self._refuse(ApiError(503, text, code="too_many_connections", retry_after=1))
        else:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._end_deadline()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Process what has arrived. The deadline holds while the headers of a request are incomplete."""
        super().handle_events()
        incomplete = self.conn.their_state is h11.IDLE and bool(self.cycle is None or self.conn.trailing_data[0])
        if not incomplete or self.transport.is_closing():
            self._end_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        self._refuse(ApiError(400, "The request is not valid HTTP, or its headers are too large.", code="invalid_http"))

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_late)

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        text = f"The headers of the request were not complete within {HEADER_SECONDS:g} seconds."
        self._refuse(ApiError(408, text, code="request_timeout"))

    def _refuse(self, error: ApiError) -> None:
        """Send an error, and close the connection."""
        if self.transport.is_closing():
            return
        body = encoded(error.body())
        headers: dict[str, Any] = {
            **error.headers, "Content-Type": "application/json", "Content-Length": len(body), "Connection": "close",
        }  # fmt: skip
        lines = [f"HTTP/1.1 {error.status} {STATUS_PHRASES[error.status].decode()}", *(f"{k}: {v}" for k, v in headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self.transport.close()
