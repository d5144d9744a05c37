"""Ports for servers that tests start as separate processes."""

import itertools
import os
import socket

_RANGE = range(20_000, 32_000)
"""Outside the ports of outgoing connections, one of which could otherwise take the port before the server does."""
_EACH = 40
"""Number of ports after which those of the next process begin."""
_next = itertools.count(os.getpid() * _EACH)


def free_port() -> int:
    """A port of the loopback interface that no other process uses, and that other processes with tests do not choose."""
    for number in _next:
        port = _RANGE[number % len(_RANGE)]
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError
