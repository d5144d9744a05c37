"""References: the path or URL of a file, followed by the part that is meant.

`a.tar#bytes=1536,2048` is 2,048 bytes from offset 1,536 on, such as a member of a tar file. `a.mp4#t=1.5,4` is the time from
1.5 to 4 seconds (W3C Media Fragments). `a.tar#bytes=1536,2048&t=0,4` is both. In the path of a reference with a part, `#` is
written `%23` and `%` is written `%25`, except in URLs, which have escapes of their own. A path without a part is literal.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from datajob.media.errors import MediaError

TimeSpan = tuple[float, float | None]
"""Start and end in seconds. The end None is the end of the file."""
_FRAGMENT = re.compile(r"(?:bytes|t)=[^#&]*(?:&(?:bytes|t)=[^#&]*)?", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,18}),([0-9]{1,18})", re.ASCII)
_CLOCK = re.compile(r"(?:(?:([0-9]{1,6}):)?([0-5]?[0-9]):)?([0-9]{1,12}(?:\.[0-9]{0,12})?)", re.ASCII)


class Reference(NamedTuple):
    """A file and the part of it that is meant."""

    path: str
    """Path or URL without the part."""
    byte_range: tuple[int, int] | None = None
    """Offset and length."""
    time_span: TimeSpan | None = None

    def __str__(self) -> str:
        """The text that `parse_reference` reads."""
        parts = []
        if self.byte_range is not None:
            parts.append(f"bytes={self.byte_range[0]},{self.byte_range[1]}")
        if self.time_span is not None:
            start, end = self.time_span
            parts.append(f"t={_seconds(start)}" + ("" if end is None else f",{_seconds(end)}"))
        if not parts:
            return self.path
        path = self.path if is_url(self.path) else self.path.replace("%", "%25").replace("#", "%23")
        return f"{path}#{'&'.join(parts)}"


def parse_reference(text: str) -> Reference:
    """The reference that `text` states. Raises MediaError (`badReference`) if its part cannot be read."""
    path, hash_sign, fragment = text.rpartition("#")
    if not hash_sign or not _FRAGMENT.fullmatch(fragment):
        return Reference(text)
    byte_range: tuple[int, int] | None = None
    time_span: TimeSpan | None = None
    for name, _, value in (part.partition("=") for part in fragment.split("&")):
        if name == "bytes" and byte_range is None:
            byte_range = _byte_range(text, value)
        elif name == "t" and time_span is None:
            time_span = _time_span(text, value)
        else:
            raise _bad(text, f"states `{name}` twice")
    return Reference(path if is_url(path) else path.replace("%23", "#").replace("%25", "%"), byte_range, time_span)


def literal(path: str, size: int) -> str:
    """A reference to a whole file. If its name ends like a part, the range of all bytes follows."""
    _, hash_sign, fragment = path.rpartition("#")
    return str(Reference(path, (0, size))) if hash_sign and _FRAGMENT.fullmatch(fragment) else path


def is_url(path: str) -> bool:
    """Whether a path is a URL of the web, in which `%` and `#` have their own meaning."""
    return path[:8].lower().startswith(("http://", "https://"))


def _byte_range(text: str, value: str) -> tuple[int, int]:
    match = _RANGE.fullmatch(value)
    if not match:
        raise _bad(text, "must state bytes as `#bytes=OFFSET,LENGTH`")
    return int(match[1]), int(match[2])


def _time_span(text: str, value: str) -> TimeSpan:
    first, comma, last = value.removeprefix("npt:").partition(",")
    start, end = _clock(first) if first else 0.0, _clock(last) if last else None
    if start is None or (last and end is None) or not (first or last) or (comma and not last):
        raise _bad(text, "must state times as `#t=START,END` in seconds or hh:mm:ss")
    if end is not None and end <= start:
        raise _bad(text, "ends before it starts")
    return start, end


def _clock(text: str) -> float | None:
    """Seconds from `12.5`, `01:12.5` or `1:01:12.5`."""
    match = _CLOCK.fullmatch(text)
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3]) if match else None


def _seconds(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.12f}".rstrip("0")


def _bad(text: str, why: str) -> MediaError:
    return MediaError("badReference", f"{text[:200]} {why}")
