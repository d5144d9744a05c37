"""What differences between texts do not count when they are compared."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import groupby
from typing import Any


def normalized(array: Any, level: str) -> Any:
    """An Arrow array of texts without the differences that `level` disregards (see `ExactDedup.normalize`); nulls stay."""
    import pyarrow as pa

    change = _LEVELS[level]
    return pa.array([None if text is None else change(text) for text in array.to_pylist()], pa.large_string())


def _whitespace(text: str) -> str:
    return " ".join(text.split())


def _casefold(text: str) -> str:
    return _whitespace(text).casefold()


def _letters(text: str) -> str:
    return _noise().sub("", unicodedata.normalize("NFKC", text).casefold())


@cache
def _noise() -> re.Pattern[str]:
    """Runs of punctuation, symbols, separators and control characters; accents and vowel signs are none."""
    codes = (
        c
        for c in range(sys.maxunicode + 1)
        if unicodedata.category(chr(c))[0] in "PSZ" or unicodedata.category(chr(c)) in ("Cc", "Cf")
    )
    runs = (list(run) for _, run in groupby(enumerate(codes), key=lambda pair: pair[1] - pair[0]))
    return re.compile("[" + "".join(f"{re.escape(chr(r[0][1]))}-{re.escape(chr(r[-1][1]))}" for r in runs) + "]+")


_LEVELS: dict[str, Callable[[str], str]] = {"whitespace": _whitespace, "casefold": _casefold, "letters": _letters}
