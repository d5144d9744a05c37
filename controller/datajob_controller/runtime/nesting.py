"""Decodes JSON of any depth.

The API server accepts objects that are nested 10,000 levels deep. The decoder of Python raises RecursionError at a depth that
depends on its version, which would end the watch of all objects because of a single one.
"""

import json
import re
import sys
import threading
from typing import Any

MAX_DEPTH = 200
"""Parts of a text that Python cannot decode are null below this depth. Kinds refuse objects that are nested less deeply."""
RECURSION_LIMIT = 30_000
STACK_BYTES = 64 << 20
"""Virtual size of the stacks of threads, which decode JSON too. Otherwise, it depends on the limits of the process."""
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')


def tolerate_deep_nesting() -> None:
    """Let this process decode JSON of any depth, including in kopf and aiohttp."""
    sys.setrecursionlimit(RECURSION_LIMIT)  # suffices for some versions of Python
    threading.stack_size(STACK_BYTES)
    decode = json.JSONDecoder.decode

    def tolerant(self: json.JSONDecoder, text: str, *rest: Any) -> Any:
        try:
            return decode(self, text, *rest)
        except RecursionError:
            return decode(self, cut(text), *rest)

    json.JSONDecoder.decode = tolerant  # type: ignore[method-assign, assignment]


def cut(text: str, limit: int = MAX_DEPTH) -> str:
    """JSON with null in place of lists and objects below a depth."""
    parts: list[str] = []
    depth = kept = 0
    for match in _TOKEN.finditer(text):
        if match[0] in ("{", "["):
            depth += 1
            if depth == limit + 1:
                parts.append(text[kept : match.start()])
        elif match[0] in ("}", "]"):
            if depth == limit + 1:
                parts.append("null")
                kept = match.end()
            depth -= 1
    return "".join([*parts, text[kept:]])
