"""The web application of a service: paths, authentication, and errors in the format of OpenAI."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datajob.operators.inference._engines.serving import ServingEngine
from datajob.serving.embeddings import embed
from datajob.serving.exchange import Exchange, as_api_error, count
from datajob.serving.generation import answer, chat_work, completion_work
from datajob.serving.metrics import PrometheusMeter
from datajob.serving.openai.body import READ_SECONDS, discard, read_json
from datajob.serving.openai.errors import ApiError, internal_error, json_response, quoted
from datajob.serving.service import Service

logger = logging.getLogger(__name__)
_PARAMS = {"chat.completions": "messages", "completions": "prompt", "embeddings": "input"}
"""The field with the prompt."""
MAX_HEADER_BYTES = 1 << 16
_HEADER_BYTES = 32
"""Bytes that each header counts in addition, as in HTTP/2."""
_REQUEST_ID = "datajob.request_id"
Handler = Callable[[Exchange, Request, ServingEngine, dict[str, Any]], Awaitable[Response]]


def create_app(service: Service) -> FastAPI:
    """The application. Its documentation pages are off: the format is that of OpenAI."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_middleware(_Shield, adds_ids=isinstance(service.meter, PrometheusMeter))  # Ray Serve adds its own

    @app.post("/v1/chat/completions")
    async def chat_completions(request: Request) -> Response:
        return await _handle(service, request, "chat.completions", _chat)

    @app.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await _handle(service, request, "completions", _completions)

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        return await _handle(service, request, "embeddings", embed)

    @app.get("/v1/models")
    async def models(request: Request) -> Response:
        return _models(service, request, None)

    @app.get("/v1/models/{model:path}")
    async def model(request: Request, model: str) -> Response:
        return _models(service, request, model)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    async def healthz() -> Response:
        return _health(service)

    if isinstance(service.meter, PrometheusMeter):
        meter = service.meter

        @app.get("/metrics")
        async def metrics() -> Response:
            service.observe()
            return Response(meter.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


async def _handle(service: Service, request: Request, endpoint: str, handler: Handler) -> Response:
    """Authenticate, accept, read and answer a request. Its exchange ends exactly once."""
    limit = service.limits.body_megabytes * 1_000_000
    key = None
    try:
        key = service.authenticate(request)
        engine = service.ready_engine()
        ticket = service.admission.enter(key)
    except ApiError as error:
        await discard(request, error)
        count(service, endpoint, error.status, key)
        service.meter.record("rejected_total", reason=error.reason)
        await asyncio.sleep(service.refusals.delay())
        return error.response()
    exchange = Exchange(service, endpoint, key, ticket, _id_of(request))
    try:
        body = await read_json(request, limit, READ_SECONDS, lambda size: service.admission.hold(ticket, size))
        service.check_model(key, body.get("model"))
        return await handler(exchange, request, engine, body)
    except Exception as error:  # noqa: BLE001 - every error becomes a reply
        failure = as_api_error(error, _PARAMS[endpoint])
        exchange.end(failure.status)
        service.meter.record("rejected_total", reason=failure.reason)
        return failure.response()
    except BaseException:  # the connection or the server is closing
        exchange.end(499)
        raise


def _id_of(request: Request) -> str:
    """The id of a request in its reply and in the log: that of Ray Serve, or of this application."""
    found = str(request.scope.get(_REQUEST_ID) or request.headers.get("x-request-id", "-"))
    return "".join(character for character in found[:64] if character.isalnum() or character in "-_")


async def _chat(exchange: Exchange, request: Request, engine: ServingEngine, body: dict[str, Any]) -> Response:
    return await answer(exchange, request, engine, await chat_work(exchange.service, engine, body))


async def _completions(exchange: Exchange, request: Request, engine: ServingEngine, body: dict[str, Any]) -> Response:
    return await answer(exchange, request, engine, await completion_work(exchange.service, engine, body))


def _models(service: Service, request: Request, model: str | None) -> Response:
    """The model, if the key may use it."""
    try:
        key = service.authenticate(request)
        if model is not None:
            service.check_model(key, model)
    except ApiError as error:
        count(service, "models", error.status, None)
        return error.response()
    count(service, "models", 200, key)
    engine = service.engine
    found = {"id": service.name, "object": "model", "created": service.created, "owned_by": "datajob"}
    if engine is not None and engine.max_model_len is not None:
        found["max_model_len"] = engine.max_model_len
    if model is not None:
        return json_response(found)
    permitted = key.limits.models is None or service.name in key.limits.models
    return json_response({"object": "list", "data": [found] if permitted else []})


def _health(service: Service) -> Response:
    """200 if the service can answer, otherwise 503."""
    try:
        service.ready_engine()
    except ApiError as error:
        return error.response()
    return json_response({"status": "ok"})


async def _not_found(request: Request, error: Exception) -> Response:
    """The errors of the router: an unknown path or method."""
    status = getattr(error, "status_code", 500)
    path = quoted(request.url.path)
    if status == 405:
        headers = dict(getattr(error, "headers", None) or {})
        text = f"Invalid method for URL ({request.method[:20]} {path})."
        return ApiError(405, text, code="method_not_allowed", headers=headers).response()
    if status == 404:
        return ApiError(404, f"Invalid URL ({request.method[:20]} {path}).", code="unknown_url").response()
    return ApiError(status, str(getattr(error, "detail", ""))).response() if status < 500 else internal_error().response()


class _Shield:
    """Adds ids to replies, refuses ambiguous requests, and converts exceptions that no handler has converted."""

    def __init__(self, app: ASGIApp, adds_ids: bool) -> None:
        self._app, self._adds_ids = app, adds_ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, request_id = False, str(uuid.uuid4())
        if self._adds_ids:
            scope[_REQUEST_ID] = request_id

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if self._adds_ids:
                    message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            if scope["type"] == "http":
                _check_framing(scope)
                _shorten_target(scope)
            await self._app(scope, receive, sending)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await as_api_error(error, "").response()(scope, receive, sending)


def _check_framing(scope: Scope) -> None:
    """Refuse what servers before this one could read in a different way, and headers that are too large. Raises ApiError."""
    names = {name for name, _ in scope["headers"]}
    if {b"content-length", b"transfer-encoding"} <= names:
        raise _framing_error(400, "A request must not have both Content-Length and Transfer-Encoding.")
    if scope["http_version"] not in ("1.0", "1.1"):
        raise _framing_error(505, "The version of HTTP is not supported. Use HTTP/1.1.")
    if sum(len(name) + len(value) + _HEADER_BYTES for name, value in scope["headers"]) > MAX_HEADER_BYTES:
        raise _framing_error(431, f"The headers of the request are larger than {MAX_HEADER_BYTES // 1024} KB.")


def _framing_error(status: int, text: str) -> ApiError:
    return ApiError(status, text, code="invalid_http", headers={"Connection": "close"})


def _shorten_target(scope: Scope) -> None:
    """The path of an absolute target, as clients send it to proxies: `POST http://host/v1/completions`."""
    if scope["path"].startswith(("http://", "https://")):
        scope["path"] = urlsplit(scope["path"]).path or "/"
