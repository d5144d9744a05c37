"""An answer that is being generated for a client: chooses its tokens, and makes pieces of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from datajob.operators.inference._engines.base import Options, Request
from datajob.operators.inference._engines.detokenizing import Detokenizer, StopTexts, token_bytes
from datajob.operators.inference._engines.sampling import RowSampler
from datajob.operators.inference._engines.serving import GenerationRequest, Piece, TokenProbability

if TYPE_CHECKING:
    import torch

Send = Callable[["Piece | BaseException"], None]


class ServedAnswer:
    """One of the answers to a request."""

    def __init__(self, request: GenerationRequest, index: int, row: Request, length: int, send: Send) -> None:
        self.row = row
        """The request as a backend reads it."""
        self.length = length
        """Maximum number of tokens of prompt and answer."""
        self.send = send
        """Passes a piece to the client."""
        self.canceled = False
        self.complete = False
        self._request = request
        self._index = index
        self._count = 0
        self._seen: Counter[int] = Counter()
        self._held: list[TokenProbability] = []
        self._text: Any = None
        self._stops = StopTexts(request.stop)
        self._sampler: RowSampler | None = None

    @property
    def active(self) -> bool:
        """Whether it needs more tokens."""
        return not (self.canceled or self.complete)

    @property
    def started(self) -> bool:
        """Whether tokens were sent."""
        return self._count > 0

    def fail(self, error: BaseException) -> None:
        """End the answer with an error."""
        self.complete = True
        self.send(error)

    @property
    def greedy(self) -> bool:
        """Whether the next token is the one with the highest score, and nothing else is needed."""
        r = self._request
        return r.temperature <= 0 and r.logprobs is None and not r.frequency_penalty and not r.presence_penalty

    def choose(self, logits: torch.Tensor, scores: torch.Tensor) -> tuple[int, torch.Tensor | None]:
        """The next token, and the log probabilities of all tokens if they are requested.

        `logits`, `[1, vocabulary]`, are those of the model, `scores` include the rules of its generation config.
        """
        r = self._request
        if self._seen and (r.frequency_penalty or r.presence_penalty):
            scores = scores.clone()
            for token, times in self._seen.items():
                scores[0, token] -= r.frequency_penalty * times + r.presence_penalty
        if r.temperature > 0:
            if self._sampler is None:
                options = Options(temperature=r.temperature, top_p=r.top_p, top_k=r.top_k)
                self._sampler = RowSampler(options, [self.row.seed], scores.device)
            scores = self._sampler(scores, scores)
        return int(scores[0].argmax()), None if r.logprobs is None else logits[0].float().log_softmax(-1)

    def take(self, token: int, logprobs: torch.Tensor | None, tokenizer: Any, ends: frozenset[int]) -> None:
        """Send what a token adds to the answer."""
        if token in ends:
            self._end("stop")
            return
        if self._text is None:
            self._text = Detokenizer(tokenizer)
        self._count += 1
        if self._request.frequency_penalty or self._request.presence_penalty:
            self._seen[token] += 1
        if logprobs is not None:
            self._held.append(self._probability(token, logprobs, tokenizer))
        text, stopped = self._stops.push(self._text.push(token))
        if stopped:
            self._finish(text, "stop", 1)
        elif self._count >= self._request.max_new_tokens:
            self._end("length", text, 1)
        else:
            self._piece(text, 1)

    def _end(self, reason: Literal["stop", "length"], text: str = "", tokens: int = 0) -> None:
        """Send the withheld text, which can contain a stop text if the last character was not complete."""
        more, stopped = self._stops.push(self._text.rest() if self._text is not None else "")
        if not stopped:
            more += self._stops.rest()
        self._finish(text + more, "stop" if stopped else reason, tokens)

    def _finish(self, text: str, reason: Literal["stop", "length"], tokens: int) -> None:
        self.complete = True
        self.send(Piece(self._index, text, tokens, tuple(self._held), reason))

    def _piece(self, text: str, tokens: int) -> None:
        self.send(Piece(self._index, text, tokens, tuple(self._held)))
        self._held.clear()

    def _probability(self, token: int, logprobs: torch.Tensor, tokenizer: Any) -> TokenProbability:
        def read(number: int) -> tuple[str, bytes, float]:
            data = token_bytes(tokenizer, number)
            return data.decode(errors="replace"), data, float(logprobs[number])

        most = self._request.logprobs or 0
        best = logprobs.topk(min(most, len(logprobs))).indices.tolist() if most else []
        return TokenProbability(*read(token), tuple(map(read, best)))
