"""HTTP requests to one endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from datajob.errors import InvalidJob
from datajob.operators.inference._endpoints.replies import Malformed
from datajob.operators.inference._endpoints.target import Target

MAX_REPLY = 64 << 20
CONNECT_SECONDS = 30.0


class Interrupted(Exception):
    """There is no reply: no connection, a closed one, or a timeout."""


@dataclass(frozen=True)
class Reply:
    """A status, its headers, and a body as parsed JSON or, if it is none, as text."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Http:
    """Sends requests. The key is read from the environment for each, so that it is in no object."""

    def __init__(self, target: Target) -> None:
        self.url = target.base_url()
        self._target = target
        proxy = None if target.url is None or proxy_bypass(urlsplit(self.url).netloc) else getproxies().get(self._scheme)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=target.timeout_seconds, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "datajob", "Accept": "application/json"},
            proxy=proxy,
        )

    @property
    def _scheme(self) -> str:
        return urlsplit(self.url).scheme

    async def send(self, path: str, body: Any = None) -> Reply:
        """Post a body, or get a path. Raises Interrupted, Malformed, or InvalidJob if no retry can help."""
        key = self._target.key()
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        method = "GET" if data is None else "POST"
        try:
            async with self._session.request(
                method, self.url + path, data=data, headers=headers, allow_redirects=False
            ) as response:
                return Reply(response.status, response.headers, _parsed(await _content(response)))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            raise InvalidJob(f"The endpoint {self.url} cannot be used: {type(error).__name__}: {error}") from error
        except TimeoutError as error:
            raise Interrupted(f"there was no complete reply after {self._target.timeout_seconds:g} seconds") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Interrupted(f"the connection failed: {type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _content(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(1 << 16):
        size += len(part)
        if size > MAX_REPLY:
            raise Malformed(f"the reply has more than {MAX_REPLY >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return content[:2000].decode("utf-8", "replace")
