"""Chat completions and completions."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from datajob.operators.inference._engines.serving import GenerationRequest, Piece, PromptTooLong, ServingEngine
from datajob.serving.connection import COMMENT_SECONDS, EventStream, while_connected
from datajob.serving.exchange import CLIENT_GONE, Exchange, as_api_error
from datajob.serving.images import read_images
from datajob.serving.openai.errors import ApiError, json_response, unsupported
from datajob.serving.openai.fields import read
from datajob.serving.openai.messages import conversation
from datajob.serving.openai.replies import ChatReply, Choice, CompletionReply, Reply, error_event
from datajob.serving.openai.requests import ChatRequest, CompletionRequest, SamplingFields, check_features
from datajob.serving.pump import Pump
from datajob.serving.service import Service

_MOST_CHARACTERS_PER_TOKEN = 256
"""A text with more characters per token of the longest prompt is refused without counting its tokens."""
_tokenizers = ThreadPoolExecutor(2, "tokenize")


@dataclass(frozen=True)
class Work:
    """A request as the engine receives it, and the form of its reply."""

    fields: SamplingFields
    requests: list[GenerationRequest]
    reply: Reply
    param: str
    """The field that contains the prompt."""


async def chat_work(service: Service, engine: ServingEngine, body: dict[str, Any]) -> Work:
    """The conversation of a chat request. Raises ApiError."""
    fields = read(ChatRequest, body)
    if "chat" not in engine.features:
        raise unsupported("model", f"The model `{service.name}` does not support chat completions.")
    talk = conversation(fields.messages, service.defaults.system)
    if talk.images and "images" not in engine.features:
        raise unsupported(talk.images[0].param, f"The model `{service.name}` does not accept images.")
    images = await read_images(talk.images, service.limits, service.download)
    request = fields.generation(talk, images, service.defaults, service.limits)
    usage = fields.stream_options is not None and fields.stream_options.include_usage
    return Work(fields, [request], ChatReply(service.name, service.fingerprint, include_usage=usage), "messages")


async def completion_work(service: Service, engine: ServingEngine, body: dict[str, Any]) -> Work:
    """The prompts of a request for completions. Raises ApiError."""
    fields = read(CompletionRequest, body)
    if "embeddings" in engine.features and "chat" not in engine.features:
        raise unsupported("model", f"The model `{service.name}` does not support completions.")
    prompts = fields.prompts(service.limits)
    requests = [fields.generation(prompt, service.defaults, service.limits) for prompt in prompts]
    usage = fields.stream_options is not None and fields.stream_options.include_usage
    return Work(fields, requests, CompletionReply(service.name, service.fingerprint, include_usage=usage), "prompt")


async def answer(exchange: Exchange, request: Request, engine: ServingEngine, work: Work) -> Response:
    """The reply to a request, which ends the exchange. Raises ApiError or RequestError."""
    service = exchange.service
    for each in work.requests:
        check_features(each, engine.features)
    measured = [await _measured(engine, each, work.fields) for each in work.requests]
    service.admission.reserve(exchange.ticket, sum(tokens + each.n * each.max_new_tokens for each, tokens in measured))
    pump = Pump(engine, [each for each, _ in measured])
    prompt = sum(tokens for _, tokens in measured)
    bundles = pump.bundles()
    headers = service.admission.headers(exchange.key)
    first = asyncio.ensure_future(_first(exchange, bundles))
    try:
        await while_connected(request.receive, _settled(first, COMMENT_SECONDS if work.fields.stream else None))
        if work.fields.stream:
            return _stream(exchange, work, pump, prompt, first, bundles, headers)
        pieces = await while_connected(request.receive, _rest(first.result(), bundles))
        await pump.close()
    except BaseException:
        exchange.spent = prompt, pump.completion_tokens
        await _canceled(first)
        await pump.close()
        raise
    choices = [Choice() for _ in range(len(measured) * work.fields.n)]
    for piece in pieces:
        if piece.usage is None:
            choices[piece.index].add(piece)
    usage = exchange.spent = pump.prompt_tokens, pump.completion_tokens
    exchange.end(200)
    return json_response(work.reply.whole(choices, usage), headers=headers)


def _stream(
    exchange: Exchange,
    work: Work,
    pump: Pump,
    prompt: int,
    first: asyncio.Future[list[Piece]],
    bundles: AsyncIterator[list[Piece]],
    headers: dict[str, str],
) -> EventStream:
    failures: list[ApiError] = []

    async def events() -> AsyncIterator[bytes]:
        try:
            yield work.reply.events(await first)
            async for bundle in bundles:
                yield work.reply.events(bundle)
        except Exception as error:  # noqa: BLE001 - reported to the client in the stream
            failures.append(as_api_error(error, work.param))
            yield error_event(failures[0])

    async def on_end(complete: bool) -> None:
        exchange.spent = prompt, pump.completion_tokens
        exchange.end(failures[0].status if failures else 200 if complete else CLIENT_GONE)
        await _canceled(first)
        await pump.close()

    return EventStream(events(), headers, on_end)


async def _first(exchange: Exchange, bundles: AsyncIterator[list[Piece]]) -> list[Piece]:
    found = await anext(bundles)
    exchange.first_token()
    return found


async def _settled(first: asyncio.Future[list[Piece]], seconds: float | None) -> None:
    """Wait for the first token, but not longer than a proxy. Raises the error that there is instead."""
    done, _ = await asyncio.wait((first,), timeout=seconds)
    if done:
        first.result()


async def _canceled(first: asyncio.Future[list[Piece]]) -> None:
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def _rest(first: Sequence[Piece], bundles: Any) -> list[Piece]:
    found = list(first)
    async with aclosing(bundles):
        async for bundle in bundles:
            found += bundle
    return found


async def _measured(engine: ServingEngine, request: GenerationRequest, fields: SamplingFields) -> tuple[GenerationRequest, int]:
    """The request and the tokens of its prompt. A default length of the answer is reduced to what the model supports."""
    longest = engine.max_model_len
    if longest is not None:
        parts = [part for message in request.messages for part in message.content if part is not None]
        size = sum(map(len, parts)) + len(request.prompt)
        if size > longest * _MOST_CHARACTERS_PER_TOKEN:
            raise PromptTooLong(f"the prompt has {size} characters, but the model supports {longest} tokens")
    loop = asyncio.get_running_loop()
    tokens = await loop.run_in_executor(_tokenizers, engine.measure, dataclasses.replace(request, max_new_tokens=1))
    if longest is not None and tokens + request.max_new_tokens > longest:
        if fields.states_limit():
            raise PromptTooLong(
                f"the model supports {longest} tokens, but the request needs {tokens + request.max_new_tokens}: "
                f"{tokens} in the prompt and {request.max_new_tokens} for the answer"
            )
        request = dataclasses.replace(request, max_new_tokens=longest - tokens)
    return request, tokens
