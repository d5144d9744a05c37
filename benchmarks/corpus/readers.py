"""Convert a documentation file to plain text, with paragraphs and lines as newlines.

Supports HTML, Mallard, man pages, plain text and message catalogs. Each heading is preceded by HEADING, where long texts can be
split.
"""

import gzip
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

HEADING = "\x1e"

_HEADINGS = {"h1", "h2", "h3", "h4"}
_PARAGRAPHS = {"p", "pre", "ul", "ol", "dl", "table", "blockquote", "section", "h5", "h6"} | _HEADINGS
_LINES = {"br", "div", "li", "dt", "dd", "tr", "hr", "caption", "option", "body", "article"}
_SKIPPED = {"head", "script", "style", "noscript", "svg", "header", "footer", "nav", "aside"}
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_-]+)")
_CJK = "[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]"
_CJK_BREAK = re.compile(f"(?<={_CJK})\\s*\n\\s*(?={_CJK})")


def read_text(path: Path) -> str | None:
    """The text of a file with marked headings, or None if the file is not prose."""
    name = path.name.removesuffix(".gz")
    reader = _reader_of(name, path)
    if reader is None:
        return None
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return tidy(reader(data))
    except (OSError, EOFError, ValueError, struct.error, ElementTree.ParseError):
        return None  # A malformed file is not prose either.


def _reader_of(name: str, path: Path) -> Callable[[bytes], str] | None:
    if re.fullmatch(r".+\.[1-8][a-z]*", name) and "man" in path.parts:
        return lambda data: read_man(decode(data))
    if name == "copyright" or name.lower().startswith(("changelog", "news", "readme")):
        return lambda data: read_html(decode(data)) if name.endswith("html") else mark_headings(decode(data))
    readers: dict[str, Callable[[bytes], str]] = {
        "html": lambda data: read_html(decode(data)),
        "htm": lambda data: read_html(decode(data)),
        "xhtml": lambda data: read_html(decode(data)),
        "page": read_mallard,
        "txt": lambda data: mark_headings(decode(data)),
        "rst": lambda data: mark_headings(decode(data)),
        "md": lambda data: mark_headings(decode(data)),
        "mo": read_catalog,
    }
    return readers.get(name.rpartition(".")[2].lower())


def decode(data: bytes) -> str:
    """Decode bytes as UTF-8, the charset declared in the page, or Latin-1."""
    named = _CHARSET.search(data, 0, 2048)
    for charset in ("utf-8", named.group(1).decode() if named else "latin-1"):
        try:
            return data.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")


def tidy(text: str) -> str:
    """Remove control characters, spaces before newlines and repeated empty lines."""
    text = text.replace("\r\n", "\n").replace("\u00a0", " ").replace("\u00ad", "").replace("\ufeff", "")
    text = re.sub("[\x00-\x08\x0b-\x1d\x1f\x7f-\x9f]", "", text)
    text = re.sub(r"[ \t]+\n", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


class _PlainText(HTMLParser):
    """Collects the text of a page without scripts, the head and navigation."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = ["\n"]
        self._skipping = ""
        self._verbatim = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self._skipping = ""  # Old pages omit </head>.
        if self._skipping:
            return
        if tag in _SKIPPED:
            self._skipping = tag
        self._verbatim = self._verbatim or tag == "pre"
        self._break(tag)
        if ("hidden", "true") in attrs and not self.parts[-1].endswith(("\n", " ")):
            self.parts.append(" ")  # Variants of a word, one of which a script would show.
        if tag in _HEADINGS:
            self.parts.append(HEADING)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._skipping:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping = "" if tag == self._skipping else self._skipping
            return
        self._verbatim = self._verbatim and tag != "pre"
        self._break(tag)
        if tag in {"td", "th"}:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        if self._verbatim:
            self.parts.append(data)
            return
        words = re.sub(r"\s+", " ", _CJK_BREAK.sub("", data))
        if self.parts[-1].endswith(("\n", " ", HEADING)):
            words = words.lstrip(" ")
        if words:
            self.parts.append(words)

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n")
        elif tag in _LINES:
            self.parts.append("\n")


def read_html(page: str) -> str:
    """The visible text of a page."""
    parser = _PlainText()
    parser.feed(page)
    parser.close()
    return "".join(parser.parts)


_MALLARD_BLOCKS = {"p", "title", "item", "note", "section", "td", "desc"}
_MALLARD_VERBATIM = {"code", "screen"}


def read_mallard(data: bytes) -> str:
    """The text of a GNOME help page (Mallard XML), without its authors and links."""
    return "".join(_mallard_pieces(ElementTree.fromstring(data)))


def _mallard_pieces(element: ElementTree.Element) -> Iterator[str]:
    tag = element.tag.rpartition("}")[2]
    if tag == "info":
        return
    verbatim = tag in _MALLARD_VERBATIM and "\n" in (element.text or "")
    edge = "\n\n" if verbatim or tag in _MALLARD_BLOCKS else ""
    yield edge
    if tag == "title":
        yield HEADING
    yield (element.text or "") if verbatim else _flow(element.text)
    for child in element:
        yield from _mallard_pieces(child)
        yield _flow(child.tail)
    yield edge


def _flow(text: str | None) -> str:
    flowing = re.sub(r"\s+", " ", _CJK_BREAK.sub("", text or ""))
    return "" if flowing == " " and "\n" in (text or "") else flowing


_ROFF_TEXT = re.compile(r"\.(?:B|I|BR|RB|BI|IB|IR|RI|SM|SB|Nm|Nd|Xr|Ar|Fl|Pa|Cm|Em|Sy|Dq|Ql|Sq)\s+(.*)")
_ROFF_ESCAPES = [
    (re.compile(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d|\\[&/,:%^|]|\\\*(?:\[[^\]]*\]|\(..|.)"), ""),
    (re.compile(r"\\\((?:aq|oq|cq)"), "'"),
    (re.compile(r"\\\((?:dq|lq|rq)"), '"'),
    (re.compile(r"\\\((?:bu|em|en|mi)"), "-"),
    (re.compile(r"\\(?:\(..|\[[^\]]*\])"), ""),
    (re.compile(r"\\[e\\]"), r"\\"),
    (re.compile(r"\\[ 0~]"), " "),
    (re.compile(r"\\(.)"), r"\1"),
]


def read_man(page: str) -> str:
    """A man page as plain text: sections as headings, lines joined into paragraphs."""
    lines: list[str] = []
    filling, skipping = True, False
    for line in page.splitlines():
        skipping = (skipping or line.startswith((".TS", ".de ", ".ig"))) and not line.startswith((".TE", ".."))
        if skipping or (line[1:3] == '\\"' and line[0] in ".'"):
            continue
        if line[:3].upper() in (".SH", ".SS"):
            title = line[3:].strip().strip('"')
            lines.append(f"\n\n{HEADING}{_unroff(title)}\n")
        elif line.startswith((".nf", ".fi", ".EX", ".EE")):
            filling = line.startswith((".fi", ".EE"))
            lines.append("\n")
        elif spoken := _ROFF_TEXT.match(line):
            lines.append(_unroff(spoken.group(1).replace('"', "")) + (" " if filling else "\n"))
        elif line.startswith((".", "'")) or not line.strip():
            lines.append("\n\n" if line[:3] in (".PP", ".P", ".TP", ".IP", ".sp", ".Pp", ".LP", "") else "\n")
        else:
            lines.append(_unroff(line.strip() if filling else line) + (" " if filling else "\n"))
    return "".join(lines)


def _unroff(text: str) -> str:
    for pattern, replacement in _ROFF_ESCAPES:
        text = pattern.sub(replacement, text)
    return text


_UNDERLINED = re.compile(r"^(?=\S.{0,78}\n([=~^*-])\1{2,}[ \t]*$)", re.MULTILINE)
_HASHED = re.compile(r"^(?=#{1,4} \S)", re.MULTILINE)


def mark_headings(text: str) -> str:
    """Plain text, reStructuredText or Markdown, unchanged except for marked headings."""
    return _HASHED.sub(HEADING, _UNDERLINED.sub(HEADING, text))


def read_catalog(data: bytes) -> str:
    """The translated messages of a compiled catalog (.mo), one per line."""
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, _, table = struct.unpack_from(f"{order}3I", data, 8)
    messages = []
    for i in range(1, count):  # The first entry is the header of the catalog.
        length, offset = struct.unpack_from(f"{order}2I", data, table + 8 * i)
        messages.append(data[offset : offset + length].decode().replace("\0", "\n"))
    return "\n".join(messages)
