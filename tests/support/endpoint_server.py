"""A real HTTP server with the API of OpenAI, which misbehaves on command."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "sk-very-secret-0123456789"
Behavior = Callable[["Call"], Awaitable[web.StreamResponse]]
"""How a request is answered."""


@dataclass
class Call:
    """A request."""

    request: web.Request
    body: Any
    number: int
    """Among all requests, from 0."""

    @property
    def prompts(self) -> list[str]:
        """The texts that the request contains: one, or several to embed."""
        if "messages" in self.body:
            content = self.body["messages"][-1]["content"]
            return [content if isinstance(content, str) else content[-1]["text"]]
        return list(self.body["input"]) if "input" in self.body else [self.body["prompt"]]


@dataclass
class EndpointServer:
    """The server, and what it received."""

    key: str | None = None
    models: tuple[str, ...] = ("tiny",)
    script: deque[Behavior] = field(default_factory=deque)
    """How the next requests are answered; the others get an answer."""
    refuse: Callable[[Call], Behavior | None] = lambda call: None
    """Decides about requests that the script does not contain."""
    seconds: float = 0.0
    """Duration of an answer."""
    together: int = 1
    """Number of requests that must be in progress before the first one is answered."""
    slots: int | None = None
    """Number of answers at the same time; further requests wait."""
    calls: list[Call] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    """Number of answers by prompt."""
    most: int = 0
    """Maximum number of requests at the same time."""
    url: str = ""
    open: int = 0
    _free: asyncio.Semaphore | None = None
    _met: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            return error(401, "invalid_api_key", f"Incorrect API key: {request.headers.get('Authorization')}")
        if request.path.endswith("/models"):
            return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        call = Call(request, await request.json(), len(self.calls))
        self.calls.append(call)
        self.open += 1
        self.most = max(self.most, self.open)
        if self.open >= self.together:
            self._met.set()
        try:
            behavior = self.script.popleft() if self.script else self.refuse(call) or self._answer
            return await behavior(call)
        finally:
            self.open -= 1

    async def _answer(self, call: Call) -> web.StreamResponse:
        await self._met.wait()
        if self.slots is not None:
            self._free = self._free or asyncio.Semaphore(self.slots)
            async with self._free:
                await asyncio.sleep(self.seconds)
        else:
            await asyncio.sleep(self.seconds)
        self.answered.update(call.prompts)
        return web.json_response(answer_to(call))


def answer_to(call: Call) -> dict[str, Any]:
    """A reply in the shape of OpenAI."""
    usage = {"prompt_tokens": sum(map(len, call.prompts)), "completion_tokens": 2, "total_tokens": 0}
    if "input" in call.body:
        data = [{"index": i, "object": "embedding", "embedding": [float(len(p)), 3.0]} for i, p in enumerate(call.prompts)]
        return {"object": "list", "data": data, "model": call.body["model"], "usage": usage}
    text = f"answer to {call.prompts[0]}"
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
    if "messages" in call.body:
        choice["message"] = {"role": "assistant", "content": text, "refusal": None}
    else:
        choice["text"] = text
    return {"id": "1", "object": "chat.completion", "model": call.body["model"], "choices": [choice], "usage": usage}


def error(status: int, code: str = "", message: str = "no", headers: dict[str, str] | None = None, **more: Any) -> web.Response:
    """An error in the shape of OpenAI."""
    body = {"error": {"message": message, "type": "an_error", "code": code or None, "param": None, **more}}
    return web.json_response(body, status=status, headers=headers)


def refusing(status: int, code: str = "", message: str = "no", headers: dict[str, str] | None = None, **more: Any) -> Behavior:
    """Answers with an error."""

    async def behavior(call: Call) -> web.StreamResponse:
        return error(status, code, message, headers, **more)

    return behavior


def saying(text: str | bytes, status: int = 200, kind: str = "application/json") -> Behavior:
    """Answers with this body."""

    async def behavior(call: Call) -> web.StreamResponse:
        body = text if isinstance(text, bytes) else text.encode()
        return web.Response(body=body, status=status, content_type=kind)

    return behavior


def changed(change: Callable[[dict[str, Any]], Any]) -> Behavior:
    """Answers with a changed answer."""

    async def behavior(call: Call) -> web.StreamResponse:
        body = answer_to(call)
        found = change(body)
        return web.Response(body=json.dumps(body if found is None else found).encode(), content_type="application/json")

    return behavior


def choice(**fields: Any) -> Behavior:
    """Answers with other values in the choice; `content` is that of its message."""

    def change(body: dict[str, Any]) -> None:
        message = {name: fields[name] for name in ("content", "refusal") if name in fields}
        body["choices"][0]["message"].update(message)
        body["choices"][0].update({name: value for name, value in fields.items() if name not in message})

    return changed(change)


async def hanging(call: Call) -> web.StreamResponse:
    """Never answers."""
    await asyncio.sleep(3600)
    raise AssertionError


async def closing(call: Call) -> web.StreamResponse:
    """Closes the connection in the middle of the body."""
    response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
    await response.prepare(call.request)
    await response.write(b'{"choices": [')
    assert call.request.transport is not None
    call.request.transport.close()
    return response


async def dripping(call: Call) -> web.StreamResponse:
    """Sends a body one byte at a time, without an end."""
    response = web.StreamResponse()
    await response.prepare(call.request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.05)


async def huge(call: Call) -> web.StreamResponse:
    """Sends a body without an end, as fast as possible."""
    response = web.StreamResponse()
    await response.prepare(call.request)
    while True:
        await response.write(b" " * (1 << 20))


def rejecting(share: float, seed: int, headers: dict[str, str] | None = None) -> Callable[[Call], Behavior | None]:
    """Rejects a share of the requests with 429 or 503."""
    drawn = random.Random(seed)

    def refuse(call: Call) -> Behavior | None:
        return refusing(drawn.choice((429, 503)), "rate_limit_exceeded", headers=headers) if drawn.random() < share else None

    return refuse


@contextmanager
def endpoint_server(**options: Any) -> Iterator[EndpointServer]:
    """A server in a thread, on a free port."""
    server = EndpointServer(**options)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(240)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(240)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(240)
        loop.close()
