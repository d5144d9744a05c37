"""JSON values as text: exact preservation, and checks that the parser of pyarrow does not have."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any, Literal

from datajob.formats._exact import survives_double

MAX_DEPTH = 16
"""Maximum levels of lists and objects in a typed column. DuckDB takes exponential time for deep lists; others stop at 50."""
MAX_TEXT_DEPTH = 256
"""Maximum levels of a value that is kept as text, which every JSON parser supports."""

RawKind = Literal["json", "text"]
"""`json` keeps a value as JSON text. `text` keeps a string unchanged, and any other value as JSON text."""

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED_SURROGATE = re.compile(r"\\(?:u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_LONG = 17


class InexactNumber(str):
    """The text of a number that a double cannot represent exactly."""

    __slots__ = ()


def _float(text: str) -> float | InexactNumber:
    if len(text) <= _LONG and "e" not in text and "E" not in text:
        return float(text)
    return float(text) if survives_double(text) else InexactNumber(text)


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has two members of the same name")
    return found


_plain = json.JSONDecoder(parse_constant=_constant)
_exact = json.JSONDecoder(parse_constant=float, parse_float=_float, object_pairs_hook=_pairs)
_scan: Any = _plain.scan_once  # type: ignore[attr-defined]
_scan_string: Any = json.decoder.scanstring  # type: ignore[attr-defined]


def parsed_line(line: bytes) -> dict[str, Any]:
    """The object on a line, with InexactNumber for numbers that a double cannot represent. Raises ValueError."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError("not valid UTF-8") from error
    try:
        row, end = _exact.raw_decode(text, space(text, 0))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
    check_end(text, end)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if has_lone_surrogate(text):
        raise ValueError(LONE_SURROGATE)
    return row


def parsed(text: str) -> Any:
    """A JSON value, with InexactNumber for numbers that a double cannot represent. Raises ValueError."""
    return _exact.decode(text)


LONE_SURROGATE = (
    "contains half of a surrogate pair, which is not valid text; to replace such halves with U+FFFD, set `surrogates: replace`"
)


def check_end(text: str, end: int) -> None:
    """Raise ValueError unless only whitespace follows the value that ends at `end`."""
    rest = text[space(text, end) :]
    if rest.startswith(",") and not rest[1:].strip():
        raise ValueError("not JSON: a comma follows the object; JSON lines have one object per line and no commas between them")
    if rest:
        raise ValueError("not exactly one JSON object on the line")


def space(text: str, at: int) -> int:
    """The position of the first character from `at` that is not whitespace."""
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


def depth(value: Any) -> int:
    """Levels of lists and objects."""
    deepest = 0
    todo = [(value, 1)]
    while todo:
        one, level = todo.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, level)
            todo += [(item, level + 1) for item in (one.values() if isinstance(one, dict) else one)]
    return deepest


def has_lone_surrogate(text: str) -> bool:
    """Whether JSON text has an escape such as `\\ud83d` that is not part of a pair."""
    return "\\ud" in text.lower() and without_lone_surrogates(text) != text


def without_lone_surrogates(text: str) -> str:
    """JSON text with escapes of lone surrogates replaced by the escape of U+FFFD."""
    halves = [match for match in _ESCAPED_SURROGATE.finditer(text) if match[1]]
    if not halves:
        return text
    pieces, at, skip = [], 0, -1
    for number, half in enumerate(halves):
        if number == skip:
            continue
        after = halves[number + 1] if number + 1 < len(halves) else None
        if _is_high(half[1]) and after is not None and after.start() == half.end() and not _is_high(after[1]):
            skip = number + 1
            continue
        pieces += [text[at : half.start()], "\\ufffd"]
        at = half.end()
    return "".join([*pieces, text[at:]])


def _is_high(digits: str) -> bool:
    return int(digits, 16) < 0xDC00


def with_values_as_text(data: bytes, columns: Mapping[str, RawKind]) -> bytes:
    """JSON lines with the values of `columns` replaced by JSON strings of their text. Raises ValueError for a bad line."""
    names = [json.dumps(name).encode() for name in columns]
    spelled = {*names, *(json.dumps(name, ensure_ascii=False).encode() for name in columns)}
    lines = []
    for line in data.split(b"\n"):
        if any(name in line for name in spelled) or b"\\u" in line:
            lines.append(_line_as_text(line.decode(), columns).encode())
        elif line:
            lines.append(line)
    return b"\n".join(lines)


def _line_as_text(text: str, columns: Mapping[str, RawKind]) -> str:
    pieces: list[str] = []
    done = 0
    for key, start, end, value in _members(text):
        kind = columns.get(key)
        if kind is None or value is None or (kind == "text" and isinstance(value, str)):
            continue
        raw = text[start:end]
        check_text(raw)
        pieces += [text[done:start], encode_basestring(raw)]
        done = end
    return "".join([*pieces, text[done:]]) if pieces else text


def _members(text: str) -> list[tuple[str, int, int, Any]]:
    """Name, start, end and value of each member of the object on a line. Raises ValueError."""
    members: list[tuple[str, int, int, Any]] = []
    at = space(text, 0)
    if text[at : at + 1] != "{":
        if at == len(text):
            return []
        raise ValueError("not a JSON object")
    at = space(text, at + 1)
    try:
        while text[at : at + 1] != "}" or members:
            if text[at : at + 1] != '"':
                raise ValueError(f"not JSON: expected a name at character {at + 1}")
            key, at = _scan_string(text, at + 1)
            at = space(text, at)
            if text[at : at + 1] != ":":
                raise ValueError(f"not JSON: expected `:` at character {at + 1}")
            start = space(text, at + 1)
            value, end = _scan(text, start)
            members.append((key, start, end, value))
            at = space(text, end)
            if text[at : at + 1] == "}":
                break
            if text[at : at + 1] != ",":
                raise ValueError(f"not JSON: expected `,` or `}}` at character {at + 1}")
            at = space(text, at + 1)
    except StopIteration as error:
        raise ValueError(f"not JSON: expected a value at character {error.value + 1}") from error
    check_end(text, at + 1)
    return members


def check_text(text: str) -> None:
    """Raise ValueError for a JSON value that is nested too deeply or contains a lone surrogate."""
    if text.count("[") + text.count("{") > MAX_TEXT_DEPTH and depth(_plain.decode(text)) > MAX_TEXT_DEPTH:
        raise ValueError(f"nested too deeply: more than {MAX_TEXT_DEPTH} levels")
    if has_lone_surrogate(text):
        raise ValueError(LONE_SURROGATE)


def is_json(text: str) -> bool:
    """Whether a text is a JSON value, as the JSON type of Parquet requires."""
    try:
        _plain.decode(text)
    except (ValueError, RecursionError):
        return False
    return True
