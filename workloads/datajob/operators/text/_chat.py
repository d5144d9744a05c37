"""Conversations as tokens, by the chat template of a tokenizer.

A template turns a list of messages into one text. The text of a message is what the template adds for it: the difference
between the text of all messages up to it and of those before it. What the template writes to begin an answer
(`add_generation_prompt`) belongs to the prompt.

Source: `apply_chat_template` of transformers, whose environment of Jinja is reproduced here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.operators.files import local_copy, version_of
from datajob.operators.packages import optional
from datajob.operators.strings.tokenizers import load_tokenizer
from datajob.operators.text._token_lists import token_lists

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

Message = Mapping[str, Any]
ASSISTANT = "assistant"
TEMPLATE, SETTINGS = "chat_template.jinja", "tokenizer_config.json"


class _Refused(Exception):
    """The template refuses the messages, or they cannot be encoded exactly."""


@dataclass(frozen=True)
class ChatTokenizer:
    """A tokenizer with its chat template."""

    tokenizer: Any
    template: Any
    names: Mapping[str, Any]
    """Special tokens by name, such as `eos_token`, for the template."""
    special: tuple[str, ...]
    """Texts that messages must not contain."""

    @staticmethod
    def load(path: str, template: str | None, allow_special: bool, operator: str) -> ChatTokenizer:
        """The tokenizer and the template at these paths. Raises InputError if there is no template."""
        folder = _folder(path)
        versions = tuple(map(version_of, filter(None, (template, path, *_files(folder)))))
        return _load(path, folder, template, allow_special, operator, versions)

    def encode(self, batch: Batch, column: str) -> tuple[pa.Array[Any], pa.Array[Any]]:
        """The token ids and the masks of all rows; null for null. Rows that cannot be encoded exactly fail."""
        import numpy as np
        import pyarrow as pa

        values = batch.array(column)
        texts: list[str] = []
        spans: list[list[tuple[int, int]]] = []
        for row, messages in enumerate(values.to_pylist(maps_as_pydicts="strict")):
            try:
                text, spans_of_row = self._rendered(messages) if messages is not None else ("", [])
            except _Refused as error:
                batch.fail(row, str(error))
                text, spans_of_row = "", []
            texts.append(text)
            spans.append(spans_of_row)
        encoded = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        masks = [_mask(one.offsets, inside) for one, inside in zip(encoded, spans, strict=True)]
        valid = values.is_valid()
        tokens = token_lists([one.ids for one in encoded], valid)
        flat = np.concatenate(masks) if masks else np.zeros(0, np.int8)
        return tokens, pa.ListArray.from_arrays(tokens.offsets, pa.array(flat, pa.int8()), mask=pa.array(~_valid(tokens)))

    def _rendered(self, messages: Any) -> tuple[str, list[tuple[int, int]]]:
        """The text of a conversation, and the ranges of characters that the assistant wrote."""
        known = [self._message(message) for message in messages]
        if not known:
            raise _Refused("emptyConversation: there are no messages")
        spans: list[tuple[int, int]] = []
        text = self._render(known)
        for at, message in enumerate(known):
            if message["role"] == ASSISTANT:
                prompt = self._render(known[:at], add_generation_prompt=True)
                whole = self._render(known[: at + 1])
                if not text.startswith(whole) or not whole.startswith(prompt):
                    raise _Refused("templateChangesHistory: the template changes earlier messages, so there is no exact mask")
                spans.append((len(prompt), len(whole)))
        return text, spans

    def _message(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise _Refused("invalidMessage: a message has no role")
        if not isinstance(message.get("content"), str):
            raise _Refused("invalidMessage: the content of a message is not a text")
        found = next((token for token in self.special if token in message["content"]), None)
        if found:
            raise _Refused(f"specialToken: a message contains the special token {found}")
        return {key: value for key, value in message.items() if value is not None}

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> str:
        try:
            return str(self.template.render(messages=messages, add_generation_prompt=add_generation_prompt, **self.names))
        except Exception as error:  # a template can raise anything
            raise _Refused(f"templateRefuses: {error}") from error


def template_identity(path: str) -> list[Any]:
    """What determines the chat template of a tokenizer: the content of the files that can contain it."""
    return [_read(file) for file in _files(_folder(path))]


def _folder(path: str) -> str:
    return path.rpartition("/")[0] if path.endswith(".json") else path.rstrip("/")


def _files(folder: str) -> tuple[str, str]:
    return f"{folder}/{TEMPLATE}", f"{folder}/{SETTINGS}"


def _mask(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> Any:
    """1 for tokens that begin in one of the ranges of characters."""
    import numpy as np

    begins = np.fromiter((begin for begin, _ in offsets), np.int64, len(offsets))
    inside = np.zeros(len(offsets), np.int8)
    for begin, end in spans:
        inside[(begins >= begin) & (begins < end)] = 1
    return inside


def _valid(lists: pa.Array[Any]) -> Any:
    return lists.is_valid().to_numpy(zero_copy_only=False)


@cache
def _load(path: str, folder: str, template: str | None, allow_special: bool, operator: str, version: Any) -> ChatTokenizer:
    tokenizer = load_tokenizer(path, operator)
    settings = _settings(f"{folder}/{SETTINGS}")
    text = _read(template or f"{folder}/{TEMPLATE}") or settings.get("chat_template")
    if isinstance(text, list):  # several templates by name
        text = next((one["template"] for one in text if one.get("name") == "default"), None)
    if not isinstance(text, str):
        raise InputError(f"`{operator}`: `{template or folder}` has no chat template; specify `chatTemplate`")
    names = {key: _token(value) for key, value in settings.items() if key.endswith("_token")}
    special = tuple(one.content for one in tokenizer.get_added_tokens_decoder().values() if one.special)
    return ChatTokenizer(tokenizer, _compiled(text, operator), names, () if allow_special else special)


def _settings(path: str) -> dict[str, Any]:
    text = _read(path)
    try:
        found = json.loads(text) if text else {}
    except ValueError as error:
        raise InputError(f"`{path}` is not valid JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _read(path: str) -> str | None:
    try:
        with open(local_copy(path), encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, InputError):
        return None


def _token(value: Any) -> Any:
    return value.get("content") if isinstance(value, dict) else value


def _compiled(text: str, operator: str) -> Any:
    jinja2 = optional("jinja2", "jinja2", operator)
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = refuse
    try:
        return environment.from_string(text)
    except jinja2.TemplateError as error:
        raise InputError(f"`{operator}`: the chat template is invalid: {error}") from error
