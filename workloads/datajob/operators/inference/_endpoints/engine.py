"""The engine of an endpoint: it loads no model, but sends requests to a server from a separate thread."""

from __future__ import annotations

import asyncio
import atexit
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from datajob.operators.inference._endpoints.gate import Gate
from datajob.operators.inference._endpoints.http import Http
from datajob.operators.inference._endpoints.pace import Pace
from datajob.operators.inference._endpoints.sender import Sender
from datajob.operators.inference._endpoints.target import Target
from datajob.operators.inference._endpoints.window import Window
from datajob.operators.inference._engines.base import Answer, Request, RequestError

CLOSE_SECONDS = 5.0


class EndpointEngine:
    """Sends requests to one endpoint. Implements `Engine`."""

    preparation: Any = None

    def __init__(self, target: Target) -> None:
        self._target = target
        self.url = target.base_url()
        target.key()  # a missing key is an error before any work
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        self._sender: Sender | None = None
        self._http: Http | None = None
        self._open: dict[asyncio.Task[None], tuple[int, Sequence[Future[Answer]]]] = {}
        """The requests in progress, with the thread that submitted them and their futures."""
        self._since = 0.0
        self.busy_seconds = 0.0
        atexit.register(self.close)

    @property
    def description(self) -> str:
        """The server and the model."""
        model = self._sender.model if self._sender is not None else self._target.model
        return f"endpoint {self.url}{f', model {model}' if model else ''}"

    def submit(self, requests: Sequence[Request]) -> Sequence[Future[Answer]]:
        """Queue requests. Texts to embed are sent several at a time."""
        futures: list[Future[Answer]] = [Future() for _ in requests]
        wanted = []
        for request, future in zip(requests, futures, strict=True):
            if request.prompt.strip():
                wanted.append((request, future))
            else:
                what = "text" if self._target.task == "embed" else "prompt"
                future.set_exception(RequestError(f"the {what} is empty"))
        size = self._target.texts_per_request
        groups = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        self._loop.call_soon_threadsafe(self._start, groups, threading.get_ident())
        return futures

    def cancel(self, threads: Iterable[int]) -> None:
        """End the requests that these threads submitted: their futures are cancelled."""
        gone = set(threads)
        self._loop.call_soon_threadsafe(lambda: [t.cancel() for t, (thread, _) in self._open.items() if thread in gone])

    def close(self) -> None:
        """End all requests, and close the connections."""
        atexit.unregister(self.close)
        if not self._thread.is_alive():
            return
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    async def _end(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def _start(self, groups: Sequence[Sequence[tuple[Request, Future[Answer]]]], thread: int) -> None:
        if not self._open:
            self._since = time.monotonic()
        for group in groups:
            futures = [future for _, future in group]
            task = self._loop.create_task(self._answer([request for request, _ in group], futures))
            self._open[task] = thread, futures
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        _, futures = self._open.pop(task)
        for future in futures:
            if not future.done() and future.cancel():
                future.set_running_or_notify_cancel()  # otherwise, `wait` does not return
        now = time.monotonic()
        self.busy_seconds += now - self._since
        self._since = now

    async def _answer(self, requests: Sequence[Request], futures: Sequence[Future[Answer]]) -> None:
        """Set the results of futures. An error that does not concern a row ends all requests."""
        try:
            found = await self._sending().ask(requests)
        except Exception as error:  # noqa: BLE001 - raised by `result`
            for task, (_, others) in self._open.items():
                for future in others:
                    if not future.done():
                        future.set_exception(error)
                if task is not asyncio.current_task():
                    task.cancel()
            return
        for future, answer in zip(futures, found, strict=True):
            if isinstance(answer, RequestError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _sending(self) -> Sender:
        if self._sender is None:
            target = self._target
            pace = Pace(target.requests_per_minute, target.tokens_per_minute, self._loop.time())
            self._http = Http(target)
            self._sender = Sender(target, self._http, Gate(Window(target.concurrency), pace))
        return self._sender
