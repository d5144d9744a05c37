"""Sends requests until they are answered: which errors are retried, and which ones end a row or the job."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from datajob.errors import EndpointUnavailable, InvalidJob
from datajob.operators.inference._endpoints.bodies import body_of, path_of
from datajob.operators.inference._endpoints.gate import Gate, Size
from datajob.operators.inference._endpoints.http import Http, Interrupted, Reply
from datajob.operators.inference._endpoints.refusals import SHOWN, Means, Refusal, error_in_reply, refusal
from datajob.operators.inference._endpoints.replies import Malformed, embeddings, models, text_answer
from datajob.operators.inference._endpoints.target import Target
from datajob.operators.inference._engines.base import Answer, Request, RequestError

logger = logging.getLogger(__name__)
BACKOFF, MAX_BACKOFF = 0.5, 60.0
MAX_FAILURES = 6
"""Failures of one request, other than overload, after which its row fails if other requests succeed meanwhile."""
REPEATS = 3
"""Repetitions of a request whose refusal can concern the row or the job."""
MAX_REFUSED = 20
"""Requests that are refused in succession, without an answer to another one, before the job ends."""
_OLD_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"

Found = list[Answer | RequestError]


@dataclasses.dataclass
class _Asked:
    """One request, and what it cost so far."""

    rows: Sequence[Request]
    size: Size
    began: float = math.inf
    """When it was first sent."""
    sent: int = 0
    failures: int = 0
    refusals: int = 0
    """Refusals that can concern the row or the job."""
    refused: float = 0.0
    """When the first of them arrived."""
    waited: float = 0.0
    limit: str = ""
    """The name of the limit of tokens when it was last sent."""


class Sender:
    """Sends the requests to one endpoint. Used by a single event loop."""

    def __init__(self, target: Target, http: Http, gate: Gate) -> None:
        self._target, self._http, self._gate = target, http, gate
        self._loop = asyncio.get_running_loop()
        self.model = target.model
        """None until the only model of the server is known."""
        self._finding = asyncio.Lock()
        self._limit = _NEW_LIMIT if urlsplit(http.url).hostname == "api.openai.com" else _OLD_LIMIT
        self._dimensions: int | None = None
        self._succeeded = -math.inf
        """When the last request was answered."""
        self._proven = -math.inf
        """When the last request was sent that was answered."""
        self._refused = 0
        """Requests that were refused since then."""
        self._answering: str | None = None
        """The model that the last reply names."""

    async def ask(self, rows: Sequence[Request], sent: int = 0, waited: float = 0.0) -> Found:
        """The answers for rows that are sent as one request, in order. Raises InvalidJob and EndpointUnavailable."""
        await self._find_model()
        longest = 0 if self._target.task == "embed" else rows[0].options.max_new_tokens
        asked = _Asked(rows, Size(sum(len(row.prompt) for row in rows), longest), sent=sent, waited=waited)
        while True:
            try:
                found = await self._attempt(asked)
            except RequestError as error:
                return _failed(asked, error)
            if not isinstance(found, Refusal):
                return _counted(asked, found)
            if self._gives_up(asked, found):
                return await self._divided(asked, found)
            await asyncio.sleep(found.after or 0.0)

    async def _attempt(self, asked: _Asked) -> list[Answer] | Refusal:
        """Send the request once, in its turn. A refusal states when it is repeated."""
        queued = self._loop.time()
        expected = await self._gate.enter(asked.size, asked.began)
        started = self._loop.time()
        asked.waited += started - queued if asked.sent else 0.0
        asked.began = min(asked.began, started)
        try:
            found = await self._once(asked)
        except BaseException:
            self._gate.cancel()
            raise
        seconds = self._loop.time() - started
        if isinstance(found, Refusal):
            found = dataclasses.replace(found, after=_delay(asked, found))
            if found.means is Means.OVERLOAD or (found.means is Means.TEMPORARY and not found.status and asked.failures < 2):
                self._gate.leave(seconds, rejected=found.after)
            else:
                self._gate.cancel()
            asked.waited += seconds
            return found
        self._proven, self._refused = max(self._proven, started), 0
        self._gate.leave(seconds)
        self._gate.correct(asked.size, expected, found[0].prompt_tokens, 0 if self._target.task == "embed" else found[0].tokens)
        return [dataclasses.replace(answer, seconds=seconds / len(found)) for answer in found]

    async def _once(self, asked: _Asked) -> list[Answer] | Refusal:
        limit = self._limit
        body = await asyncio.to_thread(body_of, self._target, self.model or "", asked.rows, limit)
        asked.sent += 1
        asked.limit = limit
        try:
            reply = await self._http.send(path_of(self._target, asked.rows[0]), body)
            if (status := _status(reply)) >= 300:
                return refusal(status, reply.headers, reply.body, self._target.key())
            self._succeeded = self._loop.time()
            return self._answers(asked, reply)
        except (Interrupted, Malformed) as error:
            return Refusal(Means.TEMPORARY, str(error), status=200 if isinstance(error, Malformed) else 0)

    def _answers(self, asked: _Asked, reply: Reply) -> list[Answer]:
        self._check_model(reply.body)
        if self._target.task != "embed":
            return [text_answer(reply.body, asked.rows[0].options.chat)]
        found = embeddings(reply.body, len(asked.rows), self._dimensions)
        self._dimensions = len(found[0].vector)
        return found

    def _check_model(self, body: Any) -> None:
        """Raise InvalidJob if another model computes embeddings than before: the vectors are not comparable."""
        name = body.get("model") if isinstance(body, Mapping) else None
        if not isinstance(name, str) or name == self._answering:
            return
        before, self._answering = self._answering, name
        if before is None:
            return
        if self._target.task == "embed":
            raise InvalidJob(
                f"The endpoint {self._http.url} computed embeddings with the model {before[:SHOWN]}, and now with "
                f"{name[:SHOWN]}. Vectors of different models cannot be compared. Set `model` to a fixed version, and write "
                "a new result."
            )
        logger.warning("The endpoint %s answers with the model %s after %s.", self._http.url, name[:SHOWN], before[:SHOWN])

    def _gives_up(self, asked: _Asked, found: Refusal) -> bool:
        """True if the request is not repeated. Raises InvalidJob and EndpointUnavailable if no other one is, either."""
        if found.means is Means.JOB:
            raise self._job_error(found)
        if found.means is Means.DOUBTFUL:
            return self._concerns_row(asked, found)
        if found.means is Means.ROW:
            if found.param == asked.limit == _OLD_LIMIT:  # newer models of OpenAI require the other name
                self._limit = _NEW_LIMIT
                return False
            return True
        asked.failures += found.means is Means.TEMPORARY
        wait = found.after or 0.0
        over = self._loop.time() - asked.began + wait > self._target.retry_seconds
        others = self._succeeded > asked.began
        if over and not others:
            raise EndpointUnavailable(
                f"The endpoint {self._http.url} has not answered for {self._target.retry_seconds:g} seconds: {found.reason}. "
                "Answers so far are stored; running the job again resumes it."
            )
        asked.waited += wait
        return others and (over or asked.failures >= MAX_FAILURES)

    def _concerns_row(self, asked: _Asked, found: Refusal) -> bool:
        """True if another request was answered that was sent after the refusal, or before if there are no others.

        Raises InvalidJob if none is answered.
        """
        asked.refusals += 1
        if asked.refusals == 1:
            asked.refused = self._loop.time()
            self._refused += 1
        if self._proven > asked.refused:
            return True
        if self._refused >= MAX_REFUSED or (asked.refusals > REPEATS and self._proven == -math.inf):
            raise self._job_error(found)
        return asked.refusals > REPEATS

    async def _divided(self, asked: _Asked, found: Refusal) -> Found:
        """The answers after a request is given up. If it contains several rows, each half is sent separately."""
        rows = asked.rows
        if len(rows) == 1:
            times = f" {asked.sent} times" if asked.sent > 1 else ""
            return _failed(asked, RequestError(f"the endpoint refused the request{times}: {found.reason}"))
        half = len(rows) // 2
        parts = await asyncio.gather(self.ask(rows[:half], asked.sent, asked.waited), self.ask(rows[half:]))
        return [*parts[0], *parts[1]]

    def _job_error(self, found: Refusal) -> InvalidJob:
        url, key = self._http.url, self._target.key_variable
        if found.status in (401, 403) and key is None:
            return InvalidJob(f"The endpoint {url} requires an API key ({found.reason}). Set `keyFrom`.")
        if found.status == 403 and found.code != "model_not_allowed":
            return InvalidJob(
                f"The endpoint {url} rejects the API key in the environment variable {key}, or a firewall blocks the requests "
                f"({found.reason}). Correct the key or its permissions."
            )
        if found.status == 401 and found.code != "model_not_allowed":
            return InvalidJob(
                f"The endpoint {url} rejects the API key in the environment variable {key} ({found.reason}). Correct the key."
            )
        if found.status in (402, 429):
            return InvalidJob(f"The account of the API key at {url} has no quota left ({found.reason}). Increase the quota.")
        if 300 <= found.status < 400:
            return InvalidJob(f"The endpoint {url} answers with {found.reason}. Set `url` to its final address.")
        if found.status not in (403, 404, 405, 410, 501) and not found.code:
            return InvalidJob(f"The endpoint {url} accepts no request ({found.reason}). Correct `url`.")
        model = f"no model {self.model} for this key, or " if self.model else ""
        return InvalidJob(f"The endpoint {url} has {model}no such path ({found.reason}). Correct `url` and `model`.")

    async def _find_model(self) -> None:
        """Learn the name of the only model of the server, unless the job sets one."""
        async with self._finding:
            began, failures = self._loop.time(), 0
            while self.model is None:
                found = await self._only_model()
                if isinstance(found, str):
                    self.model = found
                    return
                if found.means in (Means.JOB, Means.ROW, Means.DOUBTFUL):
                    raise self._job_error(found)
                wait = found.after if found.after is not None else _backoff(failures)
                failures += 1
                if self._loop.time() - began + wait > self._target.retry_seconds:
                    raise EndpointUnavailable(f"The endpoint {self._http.url} does not respond: {found.reason}.")
                await asyncio.sleep(wait)

    async def _only_model(self) -> str | Refusal:
        try:
            reply = await self._http.send("/models")
            if reply.status >= 300:
                return refusal(reply.status, reply.headers, reply.body, self._target.key())
            names = models(reply.body)
        except (Interrupted, Malformed) as error:
            return Refusal(Means.TEMPORARY, str(error))
        if len(names) != 1:
            shown = ", ".join(names[:20])
            raise InvalidJob(f"The endpoint {self._http.url} has {len(names)} models. Set `model` to one of them: {shown}.")
        return names[0]


def _status(reply: Reply) -> int:
    """The status, or that of an error in a successful reply."""
    return error_in_reply(reply.body) or reply.status if reply.status < 300 else reply.status


def _delay(asked: _Asked, found: Refusal) -> float:
    """Seconds until a request is repeated: what the server asks for and a random addition, so that requests do not collide."""
    if found.after is not None:
        return found.after + random.uniform(0, max(0.5, min(30.0, found.after / 4)))
    return _backoff(asked.refusals if found.means is Means.DOUBTFUL else asked.sent - 1)


def _backoff(failures: int) -> float:
    return random.uniform(0, min(MAX_BACKOFF, BACKOFF * 2.0 ** min(failures, 16)))


def _counted(asked: _Asked, answers: list[Answer]) -> Found:
    """The answers, the first of which has the cost of the request."""
    return [dataclasses.replace(answers[0], requests=asked.sent, waited=asked.waited), *answers[1:]]


def _failed(asked: _Asked, error: RequestError) -> Found:
    """The same error for all rows, the first of which has the cost of the request."""
    cost = dataclasses.replace(error.cost or Answer(), requests=asked.sent, waited=asked.waited)
    return [RequestError(str(error), cost), *(RequestError(str(error)) for _ in asked.rows[1:])]
