"""Serves a transformers model token by token. In a continuous batch, answers join and leave between two tokens.

One thread decodes images and tokenizes prompts, another one runs the model. The event loop of the application makes text of
tokens while the next step runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from datajob.errors import describe_error
from datajob.operators.inference._engines.base import OutOfMemory, Request, RequestError
from datajob.operators.inference._engines.generating import Generator, out_of_memory
from datajob.operators.inference._engines.grammars import Constraint, grammars_of
from datajob.operators.inference._engines.running_batch import RunningBatch, can_join
from datajob.operators.inference._engines.served_answers import AnswerText, Pieces, ServedAnswer
from datajob.operators.inference._engines.served_batches import row_of
from datajob.operators.inference._engines.serving import (
    Embedding,
    Feature,
    GenerationRequest,
    InvalidSchema,
    ModelFailed,
    Piece,
)
from datajob.operators.inference._engines.whole_batch import WholeBatch

Group = list[ServedAnswer]
CLOSING_SECONDS = 60.0
"""How long to wait for the running step when the engine is closed."""


class ContinuousServing:
    """A serving engine with one running batch."""

    def __init__(self, generator: Generator, max_pixels: int = 0) -> None:
        self._generator = generator
        self._max_pixels = max_pixels
        joins = can_join(generator.model) and not generator.settings.static_cache
        self._batch = RunningBatch(generator) if joins else WholeBatch(generator)
        self.description = f"{generator.description}, {'continuous batches' if joins else 'batches'}"
        self.revision = generator.revision
        self._grammars = grammars_of(generator.tokenizer, generator.vocabulary, generator.ends)
        self.features = _features(generator, joins, self._grammars is not None)
        self.max_model_len: int | None = generator.longest
        self.slots = generator.settings.batch_rows or self._batch.rows
        self._open: set[ServedAnswer] = set()
        """All answers whose clients wait, until the last piece was sent."""
        self._waiting: deque[ServedAnswer] = deque()
        self._prepared: list[tuple[Group, Any]] = []
        self._joining: Group = []
        """Answers whose prompts are being processed."""
        self._changed = threading.Condition()
        self._stopped: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)
            for name, loop in (("prepare", self._prepare), ("generate", self._generate))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> int:
        """Number of answers in the batch."""
        return len(self._batch.answers)

    def measure(self, request: GenerationRequest) -> int:
        """The number of tokens of the prompt and its images."""
        return self._generator.length(self._row(request, 0)) - request.max_new_tokens

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Piece]:
        """The pieces of all answers, as they are generated."""
        length = await asyncio.to_thread(self._generator.length, self._row(request, 0))
        grammar = await self._grammar(request)
        pieces: Pieces = asyncio.Queue()
        answers = [self._answer(request, index, length, pieces, grammar) for index in range(request.n)]
        self._add(answers)
        try:
            missing, tokens = len(answers), 0
            while missing:
                piece = await pieces.get()
                if isinstance(piece, BaseException):
                    raise piece
                missing -= piece.finish_reason is not None
                tokens += piece.tokens
                yield piece
            yield Piece(usage=(length - request.max_new_tokens, tokens))
        finally:
            for answer in answers:
                answer.canceled = True
            with self._changed:
                self._open.difference_update(answers)
                self._changed.notify_all()

    async def embed(self, texts: Sequence[str | tuple[int, ...]]) -> list[Embedding]:
        """Not supported by models that generate text."""
        raise RequestError("the model generates text; it does not compute embeddings")

    def check_health(self) -> None:
        """Raise ModelFailed if the engine was closed or one of its threads has ended."""
        if self._stopped is not None:
            raise ModelFailed(f"the engine has stopped: {self._stopped}")

    def close(self) -> None:
        """Stop; all answers fail."""
        self._stop(ModelFailed("the engine was closed"))
        for thread in self._threads:
            thread.join(CLOSING_SECONDS)

    async def _grammar(self, request: GenerationRequest) -> Any:
        if request.schema is None:
            return None
        if self._grammars is None:
            raise InvalidSchema("the engine cannot restrict answers to JSON")
        return await self._grammars.compiled(request.schema)

    def _answer(self, request: GenerationRequest, index: int, length: int, pieces: Pieces, grammar: Any) -> ServedAnswer:
        text = AnswerText(request, index, self._generator.tokenizer, self._generator.ends)
        constraint = None if grammar is None else Constraint(grammar)
        return ServedAnswer(request, self._row(request, index), length, text, pieces, constraint)

    def _row(self, request: GenerationRequest, index: int) -> Request:
        return row_of(request, index, self._generator.processor, self._max_pixels)

    def _add(self, answers: Group) -> None:
        with self._changed:
            self.check_health()
            self._open.update(answers)
            self._waiting += answers
            self._changed.notify_all()

    def _guard(self, loop: Callable[[], None]) -> None:
        """An error outside any request is an error of the engine: all answers fail with it."""
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - raised for all answers
            self._stop(error)

    def _stop(self, why: BaseException) -> None:
        with self._changed:
            self._stopped = self._stopped or why
            answers = list(self._open)
            self._changed.notify_all()
        error = why if isinstance(why, ModelFailed) else ModelFailed(f"{type(why).__name__}: {why}")
        for answer in answers:
            if answer.active:
                answer.fail(error)

    def _prepare(self) -> None:
        while group := self._next_group():
            prepared = [part for alike in self._batch.parts(group) if (part := self._inputs(alike))]
            with self._changed:
                self._prepared = prepared
                self._changed.notify_all()

    def _next_group(self) -> Group:
        """The oldest answers that fit into the batch; empty when stopped."""
        with self._changed:
            while self._stopped is None:
                self._waiting = deque(answer for answer in self._waiting if answer.active)
                if not self._prepared and (group := self._fitting()):
                    for _ in group:
                        self._waiting.popleft()
                    return group
                self._changed.wait()
        return []

    def _fitting(self) -> Group:
        """The oldest waiting answers that fit next to the running ones, and can be prepared together."""
        running = [answer.length for answer in (*self._batch.answers, *self._joining) if answer.active]
        longest, rows = max(running, default=0), len(running)
        group: Group = []
        for answer in self._waiting:
            longest = max(longest, answer.length)
            rows += 1
            if rows > 1 and (rows > self.slots or longest * rows > self._generator.limits.tokens):
                break
            if group and (answer.row.options.chat != group[0].row.options.chat or answer.alone):
                break
            group.append(answer)
            if answer.alone:
                break
        return group

    def _inputs(self, group: Group) -> tuple[Group, Any] | None:
        """The answers that can be generated, and their prompts as the model reads them."""
        try:
            inputs, errors = self._generator.prepare([answer.row for answer in group])
        except Exception as error:  # noqa: BLE001 - of one of the requests
            self._separate(group, error)
            return None
        for position, row_error in errors.items():
            group[position].fail(row_error)
        kept = [answer for i, answer in enumerate(group) if i not in errors]
        return (kept, inputs) if kept else None

    def _separate(self, group: Group, error: Exception) -> None:
        """Repeat the answers of a failed group one by one. A single answer fails, and one whose tokens were sent."""
        again = [answer for answer in group if len(group) > 1 and not answer.started]
        for answer in group:
            answer.alone = answer in again
            if not answer.alone:
                answer.fail(error if isinstance(error, RequestError) else RequestError(describe_error(error)))
        with self._changed:
            self._waiting.extendleft(reversed(again))
            self._changed.notify_all()

    def _generate(self) -> None:
        import torch

        with torch.inference_mode():
            while self._wait_for_work():
                self._join_prepared()
                self._leave()
                if self._batch.answers:
                    self._step()
                    self._leave()

    def _wait_for_work(self) -> bool:
        with self._changed:
            while self._stopped is None and not self._prepared and not self._batch.answers:
                self._changed.wait()
            return self._stopped is None

    def _join_prepared(self) -> None:
        with self._changed:
            prepared, self._prepared = self._prepared, []
            self._joining = [answer for group, _ in prepared for answer in group]
            if prepared:
                self._changed.notify_all()
        for group, inputs in prepared:
            self._join(group, inputs)
        self._joining = []

    def _join(self, group: Group, inputs: Any) -> None:
        try:
            if any(answer.active for answer in group):
                with out_of_memory():
                    self._batch.join(group, inputs)
        except Exception as error:  # noqa: BLE001 - of this group
            if isinstance(error, OutOfMemory):
                self.slots = max(1, len(self._batch.answers) + len(group) // 2)
            self._separate([answer for answer in group if answer.active], error)
        finally:
            self._joining = [answer for answer in self._joining if answer not in group]

    def _leave(self) -> None:
        before = len(self._batch.answers)
        self._batch.leave()
        if len(self._batch.answers) != before:
            with self._changed:
                self._changed.notify_all()

    def _step(self) -> None:
        try:
            with out_of_memory():
                self._batch.step()
        except OutOfMemory as error:
            self._evict(error)

    def _evict(self, error: OutOfMemory) -> None:
        """The newest half of the answers fails, so that the others can continue."""
        answers = self._batch.answers
        self.slots = max(1, len(answers) // 2)
        for answer in answers[len(answers) // 2 :]:
            answer.fail(RequestError(f"the answer does not fit into the memory of the device: {error}"))


def _features(generator: Generator, joins: bool, grammars: bool) -> frozenset[Feature]:
    """Whole batches do not have the probabilities of the model, but those after the rules of its generation config."""
    features: list[Feature] = ["chat", "penalties"]
    features += ["images"] if generator.settings.task == "vision" else []
    features += ["logprobs"] if joins else []
    return frozenset([*features, "json", "schema"] if grammars else features)
