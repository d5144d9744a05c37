"""Bytes of web pages as text: with the encoding that the bytes, the server or the page declares, or a detected one.

Labels have the same meaning as in browsers (WHATWG Encoding): `gb2312` is GB18030, `iso-8859-1` is Windows-1252.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

DECLARED_WITHIN = 4096
"""Number of bytes at the start of a page to search for its declaration."""
SURELY_UTF8 = 6
"""Bytes above the number of characters from which a page that is valid UTF-8 is UTF-8, regardless of its declaration."""

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([^\s"'/>;]+)""", re.IGNORECASE)
_XML = re.compile(rb"""\A\s*<\?xml\s[^>]*?encoding\s*=\s*["']([^"'>]+)["']""")
_COMMENT = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADER = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.IGNORECASE)

_LABELS = {
    "gb18030": "gb2312 gbk gb_2312 gb_2312-80 chinese csgb2312 csiso58gb231280 iso-ir-58 x-gbk gb18030 cp936",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "cp1252": "iso-8859-1 iso8859-1 iso_8859-1 iso88591 latin1 latin-1 l1 ascii us-ascii ibm819 cp819 windows-1252 x-cp1252 "
    "x-user-defined",
    "cp1254": "iso-8859-9 iso8859-9 latin5 l5 windows-1254",
    "cp874": "iso-8859-11 iso8859-11 tis-620 dos-874 windows-874",
    "cp932": "shift_jis shift-jis sjis ms_kanji x-sjis csshiftjis windows-31j ms932",
    "cp949": "euc-kr euckr cseuckr korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 uhc",
    "euc_jp": "euc-jp eucjp x-euc-jp cseucpkdfmtjapanese",
    "koi8-r": "koi koi8 koi8_r cskoi8r",
    "koi8-u": "koi8-ru",
    "cp866": "866 ibm866 csibm866",
    "iso8859-8": "iso-8859-8-i logical visual hebrew",
    "mac_roman": "macintosh mac x-mac-roman csmacintosh",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "utf-8": "utf8 unicode-1-1-utf-8 x-unicode20utf8 utf-16 utf-16le utf-16be utf-16-le utf-16-be unicode ucs-2",
}  # a page whose declaration can be read as ASCII is not in UTF-16
_KNOWN = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_ALSO = {"cp1252": "latin-1", "big5hkscs": "cp950", "cp932": "shift_jisx0213", "euc_jp": "euc_jis_2004"}
"""Larger encodings for bytes that strict decoding rejects, as in browsers."""
_SEVERAL_BYTES = {"gb18030", "big5hkscs", "cp932", "cp949", "euc_jp"}
_NOT_OF_PAGES = {"unicode-escape", "raw-unicode-escape", "utf-7", "idna", "punycode", "undefined", "mbcs", "oem"}


class UndecodableError(ValueError):
    """Bytes that are neither valid in the expected encoding nor in a detected one."""


@cache
def codec_of(label: str) -> str | None:
    """Python's name of the encoding with this label; None for an unknown label."""
    label = label.strip().lower()
    if label in _KNOWN:
        return _KNOWN[label]
    try:
        codec: Any = codecs.lookup(label)
    except (LookupError, ValueError, UnicodeError):
        return None
    return codec.name if codec._is_text_encoding and codec.name.replace("_", "-") not in _NOT_OF_PAGES else None


def decode_page(page: bytes, header: str | None = None) -> str:
    """The text of a page of HTML or XML. `header` is the Content-Type of its HTTP response. Raises UndecodableError."""
    for mark, marked in _BOMS:
        if page.startswith(mark):
            return decode(page[len(mark) :], marked)
    if wide := _utf16(page):
        return decode(page, wide)
    utf8 = _decoded(page, "utf-8")
    escapes = b"\x1b$" in page
    if utf8 is not None and not escapes and _is_utf8(len(page) - len(utf8), page, header):
        return utf8
    name = declared(page, header)
    if name is None and utf8 is None and b"\0" in page:
        raise UndecodableError("the page is binary, not text")
    for candidate in (name, "iso2022_jp" if escapes else None, "utf-8", *_detected(page)):
        if candidate and (text := _decoded(page, candidate)) is not None:
            return text
    what = f"is not valid {name}, as it declares" if name else "is not valid UTF-8 and declares no encoding"
    raise UndecodableError(f"the page {what}, and no other encoding was detected; set `encoding` or `undecodable: replace`")


def _is_utf8(more: int, page: bytes, header: str | None) -> bool:
    """Whether a page that is valid UTF-8, `more` bytes longer than characters, is UTF-8 regardless of its declaration.

    Few characters of an encoding of several bytes can be valid UTF-8 by chance; those of other encodings are not.
    """
    return more == 0 or more >= SURELY_UTF8 or declared(page, header) not in _SEVERAL_BYTES


def declared(page: bytes, header: str | None = None) -> str | None:
    """The encoding declared by the HTTP header or, without one, by the page (`<meta charset>`, XML declaration)."""
    start = _COMMENT.sub(b"", page[:DECLARED_WITHIN])
    found = [match[1] for match in [_HEADER.search(header or "")] if match]
    found += [match[1].decode("ascii", "replace") for pattern in (_XML, _META) if (match := pattern.search(start))]
    return next((name for label in found if (name := codec_of(label))), None)


def decode(page: bytes, name: str) -> str:
    """The text of bytes in this encoding. Raises UndecodableError if they are not valid."""
    text = _decoded(page, name)
    if text is None:
        raise UndecodableError(f"the page is not valid {name}; set `encoding` or `undecodable: replace`")
    return text


def _decoded(page: bytes, name: str) -> str | None:
    for codec in (name, _ALSO.get(name)):
        if codec is not None:
            try:
                return page.decode(codec)
            except (UnicodeDecodeError, LookupError):
                continue
    return None


def _utf16(page: bytes) -> str | None:
    """UTF-16 without a byte order mark: every second byte of its tags is null."""
    start = page[:DECLARED_WITHIN]
    if b"<\0" not in start and b"\0<" not in start:
        return None
    low, high = start[1::2].count(0), start[::2].count(0)
    if max(low, high) < max(1, len(start) // 10) or min(low, high) > max(low, high) // 10:
        return None
    return "utf-16-le" if low > high else "utf-16-be"


def _detected(page: bytes) -> Iterator[str]:
    """Encodings detected by the installed packages, the most likely first."""
    try:
        found = import_module("resiliparse.parse.encoding").detect_encoding(page)
        if found and found != "utf-8":
            yield str(codec_of(found) or found)
    except ImportError:
        pass
    try:
        matches = import_module("charset_normalizer").from_bytes(page)
        yield from (codec_of(match.encoding) or match.encoding for match in matches)
    except ImportError:
        pass
