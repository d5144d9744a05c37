"""A client that needs little CPU time, for `benchmarks.serving`: persistent connections, and replies that are hardly parsed."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any


@dataclass
class Reply:
    """What a client has seen of a reply."""

    status: int
    seconds: float
    first: float | None = None
    """Seconds until the first token of a stream."""
    well_formed: bool = True
    """Whether an error has the format of OpenAI and, for 429 and 503, Retry-After."""


class Connection:
    """A persistent connection."""

    def __init__(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._port, self._reader, self._writer = port, reader, writer

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to a port of this machine."""
        return cls(port, *await asyncio.open_connection("127.0.0.1", port))

    async def post(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> Reply:
        """Send a request and read its reply. A proxy may have closed the idle connection: then, connect again once."""
        try:
            return await self._post(body, path)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._writer.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            return await self._post(body, path)

    async def _post(self, body: dict[str, Any], path: str) -> Reply:
        data = json.dumps(body).encode()
        began = time.perf_counter()
        self._writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split()[1])
        if b"transfer-encoding: chunked" in head:
            return Reply(status, *await self._stream(began))
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        content = await self._reader.readexactly(length)
        return Reply(status, time.perf_counter() - began, None, status == 200 or _is_well_formed(status, head, content))

    async def _stream(self, began: float) -> tuple[float, float | None]:
        first = None
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            content = await self._reader.readexactly(size + 2)
            if first is None and b'"content":"w' in content:
                first = time.perf_counter() - began
        await self._reader.readexactly(2)
        return time.perf_counter() - began, first

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


def _is_well_formed(status: int, head: bytes, content: bytes) -> bool:
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return set(error) == {"message", "type", "param", "code"} and (status not in (429, 503) or b"retry-after:" in head)


async def load(port: int, clients: int, requests: int, body: dict[str, Any]) -> tuple[list[Reply], float]:
    """The replies to requests of several clients, each of which sends one after the other, and the seconds of all."""

    async def one() -> list[Reply]:
        connection = await Connection.open(port)
        try:
            return [await connection.post(body) for _ in range(requests)]
        finally:
            connection.close()

    began = time.perf_counter()
    found = await asyncio.gather(*(one() for _ in range(clients)))
    return [reply for some in found for reply in some], time.perf_counter() - began
