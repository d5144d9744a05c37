"""An answer that is being generated for a client. The thread of the model chooses its tokens; the event loop, at the same time
as the next step, makes pieces of text of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

from datajob.operators.inference._engines.base import Request
from datajob.operators.inference._engines.detokenizing import Detokenizer, StopTexts, token_bytes
from datajob.operators.inference._engines.grammars import Constraint
from datajob.operators.inference._engines.sampling import RowSampler
from datajob.operators.inference._engines.serving import GenerationRequest, Piece, TokenProbability

if TYPE_CHECKING:
    import torch

Token = tuple["ServedAnswer", int, "TokenProbability | None"]
"""The next token of an answer, and its probability if it is requested."""


class ServedAnswer:
    """One of the answers to a request, created in the event loop of its client."""

    def __init__(
        self,
        request: GenerationRequest,
        row: Request,
        length: int,
        text: AnswerText,
        pieces: Pieces,
        constraint: Constraint | None = None,
    ) -> None:
        self.row = row
        """The request as a backend reads it."""
        self.length = length
        """Maximum number of tokens of prompt and answer."""
        self.canceled = self.complete = False
        self.alone = False
        """Whether it is prepared alone, because its group failed."""
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._text = text
        self._pieces = pieces
        self._constraint = constraint
        self._seen: Counter[int] = Counter()
        self._sampler: RowSampler | None = None

    @property
    def active(self) -> bool:
        """Whether it needs more tokens."""
        return not (self.canceled or self.complete)

    @property
    def new_tokens(self) -> int:
        """Maximum number of tokens."""
        return self._request.max_new_tokens

    @property
    def prompt_tokens(self) -> int:
        """Number of tokens of the prompt."""
        return self.length - self.new_tokens

    @property
    def started(self) -> bool:
        """Whether it has tokens."""
        return self._seen.total() > 0

    @property
    def greedy(self) -> bool:
        """Whether the next token is the one with the highest score, and nothing else is needed."""
        r = self._request
        plain = r.logprobs is None and not r.frequency_penalty and not r.presence_penalty
        return r.temperature <= 0 and plain and self._constraint is None

    def choose(self, logits: torch.Tensor, scores: torch.Tensor, tokenizer: Any) -> tuple[int, TokenProbability | None]:
        """The next token, if it is not that with the highest score, and its probability if it is requested.

        `logits`, `[1, vocabulary]`, are those of the model, `scores` include the rules of its generation config. Raises
        RequestError if the constraint cannot be followed.
        """
        r = self._request
        if self._constraint is not None:
            scores = self._constraint.apply(scores)
        if r.frequency_penalty or r.presence_penalty:
            scores = scores.clone()
            for token, times in self._seen.items():
                scores[0, token] -= r.frequency_penalty * times + r.presence_penalty
        if r.temperature > 0:
            if self._sampler is None:
                self._sampler = RowSampler(self.row.options, [self.row.seed], scores.device)
            scores = self._sampler(scores, scores)
        token = int(scores[0].argmax())
        if self._constraint is not None:
            self._constraint.accept(token)
        if r.logprobs is None:
            return token, None
        return token, _probability(token, logits[0].float().log_softmax(-1), r.logprobs, tokenizer)

    def count(self, token: int, ends: frozenset[int]) -> None:
        """Record a token, which can be the last one."""
        self._seen[token] += 1
        if token in ends or self._seen.total() >= self._request.max_new_tokens:
            self.complete = True

    def fail(self, error: BaseException) -> None:
        """End the answer with an error. Called in any thread."""
        self.complete = True
        self._call(self._pieces.put_nowait, error)

    @staticmethod
    def send(tokens: list[Token]) -> None:
        """Pass the tokens of a step to the event loops of their answers."""
        loops: dict[int, list[Token]] = {}
        for token in tokens:
            loops.setdefault(id(token[0]._loop), []).append(token)
        for some in loops.values():
            some[0][0]._call(_receive, some)

    def _call(self, function: Any, argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the loop is closed: the client is gone
            self.canceled = True

    def receive(self, token: int, probability: TokenProbability | None) -> None:
        """Make a piece of a token. Called in the event loop."""
        if self.canceled or self._text.complete:  # tokens that the model generated after a stop text
            return
        try:
            piece: Piece | BaseException = self._text.take(token, probability)
        except Exception as error:  # noqa: BLE001 - raised for the client
            piece, self.canceled = error, True
        self._pieces.put_nowait(piece)
        if isinstance(piece, Piece) and piece.finish_reason is not None:
            self.complete = True


Pieces = asyncio.Queue[Piece | BaseException]


def _receive(tokens: list[Token]) -> None:
    for answer, token, probability in tokens:
        answer.receive(token, probability)


class AnswerText:
    """The pieces of an answer."""

    def __init__(self, request: GenerationRequest, index: int, tokenizer: Any, ends: frozenset[int]) -> None:
        self.complete = False
        self._index = index
        self._most = request.max_new_tokens
        self._ends = ends
        self._count = 0
        self._text = Detokenizer(tokenizer)
        self._stops = StopTexts(request.stop)

    def take(self, token: int, probability: TokenProbability | None) -> Piece:
        """What a token adds to the answer."""
        if token in self._ends:
            return self._end("stop", "", 0, ())
        self._count += 1
        known = () if probability is None else (probability,)
        text, stopped = self._stops.push(self._text.push(token))
        if stopped:
            return self._finish(text, "stop", 1, known)
        if self._count >= self._most:
            return self._end("length", text, 1, known)
        return Piece(self._index, text, 1, known)

    def end(self, reason: Literal["stop", "length"]) -> Piece:
        """The last piece of an answer whose end is not one of its tokens."""
        return self._end(reason, "", 0, ())

    def _end(self, reason: Literal["stop", "length"], text: str, tokens: int, known: tuple[TokenProbability, ...]) -> Piece:
        """The last piece, with the withheld text, which can contain a stop text if its last character was not complete."""
        more, stopped = self._stops.push(self._text.rest())
        if not stopped:
            more += self._stops.rest()
        return self._finish(text + more, "stop" if stopped else reason, tokens, known)

    def _finish(self, text: str, reason: Literal["stop", "length"], tokens: int, known: tuple[TokenProbability, ...]) -> Piece:
        self.complete = True
        return Piece(self._index, text, tokens, known, reason)


def _probability(token: int, logprobs: torch.Tensor, most: int, tokenizer: Any) -> TokenProbability:
    def read(number: int) -> tuple[str, bytes, float]:
        data = token_bytes(tokenizer, number)
        return data.decode(errors="replace"), data, float(logprobs[number])

    best = logprobs.topk(min(most, len(logprobs))).indices.tolist() if most else []
    return TokenProbability(*read(token), tuple(map(read, best)))
