"""Reads the JSON of a request: in chunks, within the limits of size, time and depth."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import ClientDisconnect, Request

from datajob.serving.openai.errors import ApiError, invalid

READ_SECONDS = 60.0
"""Maximum time that a client may take to send a request."""
DISCARD_SECONDS = 5.0
_LARGE = 1 << 20
"""Bodies of this size are parsed in a thread."""


async def read_json(request: Request, limit: int, seconds: float = READ_SECONDS) -> dict[str, Any]:
    """The JSON object of a request. `limit` is the maximum size in bytes; Content-Length is not trusted. Raises ApiError."""
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise ApiError(415, f"Content-Encoding {encoding[:20]} is not supported. Send the request uncompressed.")
    try:
        async with asyncio.timeout(seconds):
            data = await _read(request, limit)
    except TimeoutError:
        raise ApiError(
            408,
            f"The request was not complete within {seconds:g} seconds.",
            code="request_timeout",
            headers={"Connection": "close", "x-should-retry": "false"},
        ) from None
    return await asyncio.to_thread(parsed, data) if len(data) >= _LARGE else parsed(data)


async def discard(request: Request, limit: int, seconds: float = DISCARD_SECONDS) -> None:
    """Read a request that is refused, without storing it: a client that is still sending would not read the reply."""
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    return
    except (TimeoutError, ClientDisconnect):
        pass


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in a body. Nesting beyond 200 levels and unpaired surrogates are errors of the parser."""
    from pydantic_core import from_json

    try:
        found = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise invalid(f"The body of the request is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(found, dict):
        raise invalid("The body of the request must be a JSON object.", code="invalid_json")
    return found


async def _read(request: Request, limit: int) -> bytes:
    too_large = ApiError(
        413,
        f"The request is larger than {limit // 1_000_000} MB, the limit of this service.",
        code="request_too_large",
        headers={"Connection": "close"},
    )
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > limit:
        await discard(request, 2 * limit)
        raise too_large
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            chunks.clear()
            await discard(request, 2 * limit)
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)
