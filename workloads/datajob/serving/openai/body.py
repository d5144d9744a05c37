"""Reads the JSON of a request: in chunks, within the limits of size, time and depth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request

from datajob.serving.openai.errors import ApiError, invalid, quoted

READ_SECONDS = 60.0
"""Maximum time that a client may take to send a request."""
DISCARD_SECONDS = 10.0
"""Time for a client to send the rest of a request that is refused."""
_LARGE = 1 << 20
"""Bodies of this size are parsed in a thread."""
MAX_VALUES = 300_000
"""Maximum number of commas in a body: a value needs up to a hundred times its size in memory."""


async def read_json(request: Request, limit: int, seconds: float, hold: Callable[[int], None]) -> dict[str, Any]:
    """The JSON object of a request. Raises ApiError.

    `limit` is the maximum size in bytes; Content-Length is not trusted. `hold` is called with the size of each chunk. It raises
    ApiError if the service has no memory for it.
    """
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise ApiError(415, f"Content-Encoding {encoding[:20]} is not supported. Send the request uncompressed.")
    data = await _read(request, limit, seconds, hold)
    return await asyncio.to_thread(parsed, data) if len(data) >= _LARGE else parsed(data)


async def discard(request: Request, refusal: ApiError) -> None:
    """Read the rest of a request that is refused, without storing it: clients read the reply after they have sent it.

    A client that waits for permission to send the body does not send it anymore, so the connection is closed.
    """
    if _awaits_permission(request):
        refusal.headers["Connection"] = "close"
        return
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(DISCARD_SECONDS):
            async for _ in _chunks(request):
                pass


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object in a body. The parser refuses more than 200 levels and unpaired surrogates. Raises ApiError."""
    from pydantic_core import from_json

    if data.count(b",") > MAX_VALUES:
        raise invalid(f"The body of the request has more than {MAX_VALUES:,} values.", code="invalid_json")
    try:
        found = from_json(data, allow_inf_nan=False)
        json.loads(data, object_pairs_hook=_refuse_repetition)
    except ValueError as error:
        raise invalid(f"The body of the request is not valid JSON: {error}.", code="invalid_json") from None
    if not isinstance(found, dict):
        raise invalid("The body of the request must be a JSON object.", code="invalid_json")
    return found


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> None:
    """Servers before this one could read the first of two equal names, and this one the last. Raises ValueError."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise ValueError(f"the name `{quoted(name)}` occurs twice in an object")
        seen.add(name)


async def _read(request: Request, limit: int, seconds: float, hold: Callable[[int], None]) -> bytes:
    """The body. The rest of one that is refused is read, but not stored, so that the client reads the reply."""
    stated = request.headers.get("content-length", "")
    refusal = _too_large(limit) if stated.isdigit() and int(stated) > limit else None
    if refusal and _awaits_permission(request):
        raise refusal
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(DISCARD_SECONDS if refusal else seconds) as deadline:
            async for chunk in _chunks(request):
                size += len(chunk)
                if refusal is None and (refusal := _refusal(size, len(chunk), limit, hold)):
                    chunks.clear()
                    deadline.reschedule(asyncio.get_running_loop().time() + DISCARD_SECONDS)
                elif refusal is None:
                    chunks.append(chunk)
    except TimeoutError:
        raise refusal or _too_late(seconds) from None
    if refusal:
        raise refusal
    return b"".join(chunks)


def _refusal(size: int, new: int, limit: int, hold: Callable[[int], None]) -> ApiError | None:
    if size > limit:
        return _too_large(limit)
    try:
        hold(new)
    except ApiError as error:
        return error
    return None


def _too_large(limit: int) -> ApiError:
    text = f"The request is larger than {limit // 1_000_000} MB, the limit of this service."
    return ApiError(413, text, code="request_too_large", headers={"Connection": "close"})


def _too_late(seconds: float) -> ApiError:
    text = f"The request was not complete within {seconds:g} seconds."
    return ApiError(408, text, code="request_timeout", headers={"Connection": "close", "x-should-retry": "false"})


def _awaits_permission(request: Request) -> bool:
    return request.headers.get("expect", "").lower() == "100-continue"


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    """The rest of the body. Raises ClientDisconnect."""
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        yield message.get("body", b"")
