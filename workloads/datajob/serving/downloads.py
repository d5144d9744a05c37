"""Downloads images of requests from permitted hosts, without access to other hosts and to internal networks.

Only exact names of hosts, only https on port 443, only public addresses. A name is resolved once, and the connection uses that
address. Redirects are followed up to three times, and each one is checked like the first address. Proxies, cookies and
credentials are not used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

import h11

from datajob.serving.addresses import is_public
from datajob.serving.openai.errors import ApiError, invalid, quoted

PORT = 443
SECONDS = 10.0
MAX_REDIRECTS = 3
_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_URL = 8192
Resolver = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass
class Downloads:
    """Downloads from permitted hosts. `port`, `permitted` and `context` differ only in tests."""

    hosts: Collection[str]
    resolver: Resolver = resolve
    permitted: Callable[[str], bool] = is_public
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    port: int = PORT
    seconds: float = SECONDS
    at_once: int = 8
    _slots: asyncio.Semaphore | None = None

    async def __call__(self, url: str, limit: int) -> bytes:
        """The content of a web address, of at most `limit` bytes. Raises ApiError, whose message contains no address."""
        self._slots = self._slots or asyncio.Semaphore(self.at_once)
        try:
            async with asyncio.timeout(self.seconds), self._slots:
                for _ in range(MAX_REDIRECTS + 1):
                    content, url = await self._get(url, limit)
                    if content is not None:
                        return content
        except TimeoutError:
            raise _failed(f"was not complete within {self.seconds:g} seconds") from None
        raise _failed(f"was redirected more than {MAX_REDIRECTS} times")

    async def _get(self, url: str, limit: int) -> tuple[bytes | None, str]:
        """The content, or None and the target of a redirect."""
        parts = self._checked(url)
        host = str(parts.hostname)
        try:
            address = await self._address(host)
            reader, writer = await asyncio.open_connection(address, self.port, ssl=self.context, server_hostname=host)
        except (OSError, UnicodeError):
            raise _failed("failed: the host cannot be reached, or its certificate is not valid") from None
        try:
            return await _fetch(reader, writer, parts, limit)
        except (OSError, EOFError, h11.ProtocolError):
            raise _failed("failed: the reply of the host is not valid") from None
        finally:
            writer.transport.abort()

    def _checked(self, url: str) -> SplitResult:
        """The parts of a permitted address. Raises ApiError."""
        if len(url) > _MAX_URL or any(ord(character) <= 32 or ord(character) >= 127 for character in url) or "\\" in url:
            raise _refused("The address of the image contains characters that are not permitted, or is too long.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _refused("The address of the image is not valid.") from None
        if parts.scheme != "https":
            raise _refused("The address of the image must start with https://.")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            raise _refused("The address of the image must not contain a user name.")
        if port not in (None, PORT):
            raise _refused(f"The address of the image must use port {PORT}.")
        if parts.hostname not in self.hosts:
            raise _refused(f"Images from the host `{quoted(parts.hostname or '')}` are not permitted by this service.")
        return parts

    async def _address(self, host: str) -> str:
        """The address to connect to. If one address of a host is not public, none is used."""
        with suppress(ValueError):
            ipaddress.ip_address(host)
            raise _refused("The address of the image must contain the name of a host.")
        found = await self.resolver(host, self.port)
        if not found or not all(map(self.permitted, found)):
            raise _refused("The host of the image does not have a public address.")
        return found[0]


async def _fetch(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parts: SplitResult, limit: int
) -> tuple[bytes | None, str]:
    connection = h11.Connection(h11.CLIENT)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = [("Host", str(parts.hostname)), ("Accept", "image/*"), ("Accept-Encoding", "identity"), ("Connection", "close")]
    writer.write(connection.send(h11.Request(method="GET", target=target, headers=headers)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    content = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in event.headers}
            if event.status_code in _REDIRECTS and "location" in found:
                return None, urljoin(parts.geturl(), found["location"])
            _check_reply(event.status_code, found, limit)
        elif isinstance(event, h11.Data):
            content += event.data
            if len(content) > limit:
                raise _too_large(limit)
        elif isinstance(event, h11.EndOfMessage):
            return bytes(content), ""
        elif isinstance(event, h11.ConnectionClosed):
            raise EOFError


def _check_reply(status: int, headers: dict[str, str], limit: int) -> None:
    if status != 200:
        raise _failed(f"failed: the host replied with status {status}")
    if headers.get("content-encoding", "identity") != "identity":
        raise _failed("failed: the host sent a compressed reply")
    if int(headers.get("content-length", 0)) > limit:
        raise _too_large(limit)


def _refused(message: str) -> ApiError:
    return invalid(message, code="invalid_image_url")


def _failed(why: str) -> ApiError:
    return invalid(f"The download of the image {why}.", code="image_download_failed")


def _too_large(limit: int) -> ApiError:
    return invalid(f"The image is larger than {limit // 1_000_000} MB, the limit of this service.", code="image_too_large")
