"""A TCP relay that delays what clients send."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def slow_relay(host: str, port: int, seconds: float) -> Iterator[int]:
    """The port of a relay to `host:port` that delays each chunk from a client, of at most 64 kB."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, host, port, seconds), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket, host: str, port: int, seconds: float) -> None:
    with suppress(OSError):  # the server was closed
        while True:
            client, _ = server.accept()
            target = socket.create_connection((host, port))
            for source, sink, delay in ((client, target, seconds), (target, client, 0.0)):
                threading.Thread(target=_copy, args=(source, sink, delay), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket, seconds: float) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            time.sleep(seconds)
            sink.sendall(chunk)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
