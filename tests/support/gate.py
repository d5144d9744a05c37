"""A TCP relay between the controller and the API server that a test can close, or make drop all traffic silently."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A TCP relay on the loopback interface; it passes TLS through unchanged."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._open = True
        self._swallows: set[asyncio.StreamWriter] = set()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def shut(self) -> None:
        """Break every connection and refuse new ones."""
        self._loop.call_soon_threadsafe(self._shut)

    def open(self) -> None:
        """Accept connections again."""
        self._loop.call_soon_threadsafe(setattr, self, "_open", True)

    def swallow(self) -> None:
        """Keep existing connections open without forwarding any data; new connections work."""
        self._loop.call_soon_threadsafe(lambda: self._swallows.update(self._writers))

    def close(self) -> None:
        """Stop the relay."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._relay, sock=self._socket))
        self._loop.run_forever()

    def _shut(self) -> None:
        self._open = False
        for writer in self._writers:
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(self._copy(reader, up_writer), self._copy(up_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                if writer not in self._swallows:
                    writer.write(data)
                    await writer.drain()
        self._writers.discard(writer)
        self._swallows.discard(writer)
        writer.close()


@contextmanager
def gate_to(server: str) -> Iterator[Gate]:
    """A gate to the address of an API server (`https://host:port`)."""
    host, _, port = server.removeprefix("https://").partition(":")
    gate = Gate(host, int(port))
    try:
        yield gate
    finally:
        gate.close()
