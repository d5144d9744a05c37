"""The text of an answer while it is being generated: whole characters, without stop texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

INCOMPLETE = "\ufffd"
"""The decoder writes this for a character whose last tokens are missing."""


class Detokenizer:
    """Decodes tokens one by one. The texts joined are the text of all tokens decoded together."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = self._end = 0
        """The window whose text was returned last; it gives the context for the next token."""

    def push(self, token: int) -> str:
        """The new text after a token; empty if it ends in the middle of a character."""
        self._ids.append(token)
        text, begin = self._text()
        if len(text) <= begin or text.endswith(INCOMPLETE):
            return ""
        self._start, self._end = self._end, len(self._ids)
        return text[begin:]

    def rest(self) -> str:
        """The text that is left at the end."""
        text, begin = self._text()
        return text[begin:]

    def _text(self) -> tuple[str, int]:
        """The text from the start of the window, and the length of its part that was returned."""
        seen = self._tokenizer.decode(self._ids[self._start : self._end], skip_special_tokens=True)
        return self._tokenizer.decode(self._ids[self._start :], skip_special_tokens=True), len(seen)


class StopTexts:
    """Withholds text that can be the start of a stop text."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that can be sent, and whether a stop text follows it."""
        held = self._held + text
        found = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        keep = max((n for stop in self._stops for n in range(1, len(stop)) if held.endswith(stop[:n])), default=0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False

    def rest(self) -> str:
        """The withheld text, at the end of an answer."""
        held, self._held = self._held, ""
        return held


def token_bytes(tokenizer: Any, token: int) -> bytes:
    """The bytes of a token; empty for special tokens.

    Byte-level vocabularies write bytes as printable characters (Radford et al., GPT-2, 2019); SentencePiece writes unknown
    bytes as `<0x0A>` and spaces as U+2581.
    """
    name: str = tokenizer.convert_ids_to_tokens(token)
    if token in tokenizer.all_special_ids:
        return name.encode()
    if _is_byte_level(tokenizer) and all(character in _bytes_of_characters() for character in name):
        return bytes(_bytes_of_characters()[character] for character in name)
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("\u2581", " ").encode()


def _is_byte_level(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return "ByteLevel" in str(getattr(backend, "decoder", ""))


@cache
def _bytes_of_characters() -> dict[str, int]:
    """The byte of each character of a byte-level vocabulary: printable bytes are themselves, others follow U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}
