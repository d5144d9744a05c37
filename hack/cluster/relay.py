"""Make the API server of a sandbox reachable from the machine: connections to the listener (standard input) are forwarded to
it.

The listener is opened outside the sandbox, on the loopback interface of the machine. A socket stays in the network namespace in
which it was created, so it also works inside. Tests therefore need only a kubeconfig, as for any other cluster.
"""

import asyncio
import contextlib
import socket

from hack.cluster.network import API_PORT


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        upstream = await asyncio.open_connection("127.0.0.1", API_PORT)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, upstream[1]), _copy(upstream[0], writer))


async def _serve(listener: socket.socket) -> None:
    server = await asyncio.start_server(_relay, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(socket.socket(fileno=0)))
