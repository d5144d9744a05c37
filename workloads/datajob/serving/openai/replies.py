"""The replies to requests for generated text, complete and in chunks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from datajob.operators.inference._engines.serving import Piece, TokenProbability
from datajob.serving.openai.errors import ApiError, encoded

END = b"data: [DONE]\n\n"


@dataclass
class Choice:
    """An answer while it is collected."""

    texts: list[str] = field(default_factory=list)
    logprobs: list[TokenProbability] = field(default_factory=list)
    finish_reason: str | None = None
    length: int = 0
    """Number of characters so far."""

    def add(self, piece: Piece) -> None:
        """Append a piece."""
        self.texts.append(piece.text)
        self.logprobs += piece.logprobs
        self.length += len(piece.text)
        self.finish_reason = piece.finish_reason or self.finish_reason


class Reply:
    """The frame of a reply; its subclasses differ in their choices."""

    prefix = ""
    complete = ""
    """`object` of a complete reply."""
    chunk = ""
    """`object` of a chunk."""

    def __init__(self, model: str, fingerprint: str, *, include_usage: bool = False) -> None:
        self._frame = {"created": int(time.time()), "model": model, "system_fingerprint": fingerprint}
        self._id = f"{self.prefix}{uuid.uuid4().hex}"
        self._include_usage = include_usage
        self._lengths: dict[int, int] = {}

    def whole(self, choices: Sequence[Choice], usage: tuple[int, int]) -> dict[str, Any]:
        """The complete reply."""
        found = [self.choice(index, choice) for index, choice in enumerate(choices)]
        return {"id": self._id, "object": self.complete, **self._frame, "choices": found, "usage": usage_of(*usage)}

    def events(self, pieces: Sequence[Piece]) -> bytes:
        """The chunks of some pieces as events; consecutive pieces of an answer become one chunk."""
        found: list[bytes] = []
        for index in dict.fromkeys(piece.index for piece in pieces if piece.usage is None):
            joined = Choice()
            for piece in pieces:
                if piece.usage is None and piece.index == index:
                    joined.add(piece)
            found += [self._event([delta]) for delta in self.deltas(index, joined, self._lengths.get(index))]
            self._lengths[index] = self._lengths.get(index, 0) + joined.length
        usage = next((piece.usage for piece in pieces if piece.usage is not None), None)
        if usage is not None:
            if self._include_usage:
                found.append(self._event([], usage_of(*usage)))
            found.append(END)
        return b"".join(found)

    def choice(self, index: int, choice: Choice) -> dict[str, Any]:
        """A complete answer."""
        raise NotImplementedError

    def deltas(self, index: int, new: Choice, length: int | None) -> list[dict[str, Any]]:
        """The new parts of an answer that has `length` characters so far; None if it has just begun."""
        raise NotImplementedError

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        body: dict[str, Any] = {"id": self._id, "object": self.chunk, **self._frame, "choices": choices}
        if self._include_usage:
            body["usage"] = usage
        return event(body)


class ChatReply(Reply):
    """The reply of chat completions."""

    prefix, complete, chunk = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def choice(self, index: int, choice: Choice) -> dict[str, Any]:
        """A message."""
        message = {"role": "assistant", "content": "".join(choice.texts), "refusal": None}
        probabilities = chat_logprobs(choice.logprobs)
        return {"index": index, "message": message, "logprobs": probabilities, "finish_reason": choice.finish_reason}

    def deltas(self, index: int, new: Choice, length: int | None) -> list[dict[str, Any]]:
        """The role, then texts, then an empty delta with the reason for the end."""
        found: list[dict[str, Any]] = []
        blank = {"index": index, "logprobs": None, "finish_reason": None}
        if length is None:
            found.append({**blank, "delta": {"role": "assistant", "content": "", "refusal": None}})
        if (text := "".join(new.texts)) or new.logprobs:
            found.append({**blank, "delta": {"content": text}, "logprobs": chat_logprobs(new.logprobs)})
        if new.finish_reason:
            found.append({**blank, "delta": {}, "finish_reason": new.finish_reason})
        return found


class CompletionReply(Reply):
    """The reply of completions."""

    prefix, complete, chunk = "cmpl-", "text_completion", "text_completion"

    def choice(self, index: int, choice: Choice) -> dict[str, Any]:
        """A text."""
        probabilities = completion_logprobs(choice.logprobs, 0)
        return {"index": index, "text": "".join(choice.texts), "logprobs": probabilities, "finish_reason": choice.finish_reason}

    def deltas(self, index: int, new: Choice, length: int | None) -> list[dict[str, Any]]:
        """The new text."""
        probabilities = completion_logprobs(new.logprobs, length or 0)
        return [{"index": index, "text": "".join(new.texts), "logprobs": probabilities, "finish_reason": new.finish_reason}]


def usage_of(prompt: int, completion: int) -> dict[str, Any]:
    """The numbers of tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def event(body: dict[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + encoded(body) + b"\n\n"


def error_event(error: ApiError) -> bytes:
    """The event for a failure after the first byte; the stream ends without `[DONE]`."""
    return event(error.body())


def chat_logprobs(tokens: Sequence[TokenProbability]) -> dict[str, Any] | None:
    """Log probabilities as chat completions return them."""
    if not tokens:
        return None

    def one(text: str, data: bytes, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(data)}

    content = [{**one(t.text, t.data, t.logprob), "top_logprobs": [one(*top) for top in t.top]} for t in tokens]
    return {"content": content, "refusal": None}


def completion_logprobs(tokens: Sequence[TokenProbability], offset: int) -> dict[str, Any] | None:
    """Log probabilities as completions return them."""
    if not tokens:
        return None
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{text: logprob for text, _, logprob in token.top} for token in tokens],
        "text_offset": offsets,
    }
