"""Answers from the replies of a server. Everything that is not exactly an answer is an error. Pure."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datajob.errors import private
from datajob.operators.inference._engines.base import Answer, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FINISHED = {
    "stop": "stop", "eos": "stop", "eos_token": "stop", "end_turn": "stop", "stop_sequence": "stop",
    "length": "length", "max_tokens": "length",
}  # fmt: skip
_REFUSED = 200
"""Characters of a refusal that errors contain."""


class Malformed(ValueError):
    """A reply with status 200 that contains no answer. Its cause may be temporary."""


def text_answer(body: Any, chat: bool) -> Answer:
    """The answer of a model that generates text. Raises Malformed, or RequestError if the model has no answer."""
    choices = _items(body, "choices")
    if len(choices) != 1 or not isinstance(choices[0], Mapping):
        raise Malformed(f"the reply has {len(choices)} choices instead of 1")
    choice = choices[0]
    prompt, answer = usage(body)
    cost = Answer(tokens=answer or 0, counts_tokens=answer is not None, prompt_tokens=prompt or 0, requests=1)
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or not reason:
        raise Malformed("the reply has no `finish_reason`")
    if reason == "error":  # the provider of a gateway failed after it had begun
        raise Malformed("the server failed while it generated the answer")
    if reason not in _FINISHED:
        if reason == "content_filter":
            raise RequestError("the content filter of the server removed the answer (finish_reason content_filter)", cost)
        raise RequestError(f"the model did not finish its answer{private(f' (finish_reason {reason[:64]})')}", cost)
    text = _text(choice, chat, cost)
    return dataclasses.replace(cost, text=text, finish_reason=_FINISHED[reason])


def _text(choice: Mapping[str, Any], chat: bool, cost: Answer) -> str:
    message = choice.get("message") if chat else choice
    if not isinstance(message, Mapping):
        raise Malformed("the reply has no `message`")
    refused = message.get("refusal")
    if isinstance(refused, str) and refused:
        raise RequestError(f"the model refused to answer{private(f': {refused[:_REFUSED]}')}", cost)
    text = message.get("content" if chat else "text")
    if isinstance(text, str):
        _refuse_surrogates(text)
        return text
    if text is not None:
        raise Malformed("the answer is not a text")
    if choice["finish_reason"] in ("length", "max_tokens"):
        raise RequestError("the answer has no text, because the model used all tokens to reason: increase `maxNewTokens`", cost)
    raise RequestError("the answer has no text", cost)


def _refuse_surrogates(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Malformed("the answer is not valid Unicode") from error


def embeddings(body: Any, count: int, dimensions: int | None) -> list[Answer]:
    """The embeddings of `count` texts, in order, of length one. Raises Malformed.

    The tokens of several texts are those of the first answer, because servers only return the sum.
    """
    data = _items(body, "data")
    if len(data) != count:
        raise Malformed(f"the reply has {len(data)} embeddings for {count} texts")
    found: dict[int, NDArray[np.float32]] = {}
    for item in data:
        index = item.get("index") if isinstance(item, Mapping) else None
        if type(index) is not int or not 0 <= index < count or index in found:
            raise Malformed("the indexes of the embeddings are not those of the texts")
        found[index] = _vector(item.get("embedding"))
    sizes = {len(vector) for vector in found.values()} | ({dimensions} if dimensions else set())
    if len(sizes) != 1:
        raise Malformed(f"the embeddings have several numbers of dimensions: {', '.join(map(str, sorted(sizes)))}")
    prompt, _ = usage(body)
    others = [Answer(counts_tokens=False, vector=found[index]) for index in range(1, count)]
    counted = count == 1 and prompt is not None
    tokens = prompt or 0
    return [Answer(tokens=tokens, counts_tokens=counted, vector=found[0], prompt_tokens=tokens, requests=1), *others]


def _vector(value: Any) -> NDArray[np.float32]:
    import numpy as np

    try:
        if isinstance(value, str):
            vector = np.frombuffer(base64.b64decode(value, validate=True), "<f4").astype(np.float64)
        elif isinstance(value, list) and all(type(number) in (int, float) for number in value):
            vector = np.array(value, np.float64)
        else:
            raise Malformed("an embedding is not a list of numbers")
    except (binascii.Error, ValueError, OverflowError) as error:
        raise Malformed("an embedding is not a list of numbers") from error
    length = float(np.linalg.norm(vector)) if len(vector) else 0.0
    if not math.isfinite(length) or length == 0:
        raise Malformed("an embedding has no length")
    return (vector / length).astype(np.float32)


def usage(body: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The tokens of the prompt and of the answer; None if the server does not count them."""
    found = body.get("usage")
    if not isinstance(found, Mapping):
        return None, None
    prompt, answer = found.get("prompt_tokens"), found.get("completion_tokens")
    return _count(prompt), _count(answer)


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 31 else None


def _items(body: Any, key: str) -> list[Any]:
    if not isinstance(body, Mapping) or not isinstance(body.get(key), list):
        raise Malformed(f"the reply has no `{key}`")
    items: list[Any] = body[key]
    return items


def models(body: Any) -> list[str]:
    """The names of the models of a server. Raises Malformed."""
    names = [item.get("id") if isinstance(item, Mapping) else None for item in _items(body, "data")]
    if not all(isinstance(name, str) and name for name in names):
        raise Malformed("the list of models is not valid")
    return [str(name) for name in names]
