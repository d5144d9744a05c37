"""Answers of vLLM as pieces: the tokens that vLLM has generated since its last output become text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datajob.operators.inference._engines.detokenizing import token_bytes
from datajob.operators.inference._engines.served_answers import AnswerText
from datajob.operators.inference._engines.serving import GenerationRequest, ModelFailed, Piece, TokenProbability

NO_ENDS: frozenset[int] = frozenset()
"""vLLM states the end of an answer, so no token has to be compared."""


class VllmAnswer:
    """The pieces of an answer."""

    def __init__(self, request: GenerationRequest, index: int, tokenizer: Any) -> None:
        self._text = AnswerText(request, index, tokenizer, NO_ENDS)
        self._tokenizer = tokenizer
        self._most = request.logprobs

    @property
    def complete(self) -> bool:
        """Whether the last piece was made. vLLM may have more tokens, because it does not search stop texts."""
        return self._text.complete

    def pieces(self, output: Any) -> Iterator[Piece]:
        """What a `vllm.outputs.CompletionOutput` with new tokens adds. Raises ModelFailed if vLLM ended the answer."""
        stopped = output.finish_reason == "stop"
        tokens = list(output.token_ids)[: -1 if stopped else None]  # without the end token
        for position, token in enumerate(tokens):
            if self.complete:
                return
            known = None if self._most is None else self._probability(token, output.logprobs[position])
            yield self._text.take(token, known)
        if output.finish_reason is None or self.complete:
            return
        if output.finish_reason not in ("stop", "length"):
            raise ModelFailed(f"vLLM ended the answer: {output.finish_reason}")
        yield self._text.end(output.finish_reason)

    def _probability(self, token: int, found: Any) -> TokenProbability:
        """The probabilities at a position: `vllm.logprobs.Logprob` by token, with the rank of the token."""
        most = self._most or 0
        ranked = sorted((each.rank, number) for number, each in found.items() if each.rank <= most)
        return TokenProbability(
            *self._read(token, found[token].logprob), tuple(self._read(number, found[number].logprob) for _, number in ranked)
        )

    def _read(self, token: int, logprob: float) -> tuple[str, bytes, float]:
        data = token_bytes(self._tokenizer, token)
        return data.decode(errors="replace"), data, float(logprob)
