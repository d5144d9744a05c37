"""Convert an unpacked package to documents, one row each, of about the length of a web page.

Long books are split at headings. The language is the one that the package declares for a file. Many files are not translated;
detecting this is the task of the jobs that read the corpus.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus.readers import HEADING, read_text

SHORTEST = 80  # characters; shorter pages are considered empty
ENOUGH = 5_000  # UTF-8 bytes after which a document ends at the next heading
MOST = 30_000  # maximum size of a document in UTF-8 bytes
MOST_OF_A_LOG = 65_536  # maximum characters of a change log or copyright file

_CODES = """
ar as ast be bg bn br bs ca cs cy da de dz el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn
ko lt lv mk ml mn mr ms nb ne nl nn oc om or pa pl ps pt ro ru si sk sl sq sr sv ta te th tr ug uk ur uz vi zh
"""
LANGUAGES = frozenset(_CODES.split())
_TAG = r"([a-z]{2,3})(?:[-_@](?:[A-Za-z]{2,8}))?"
_FOLDER = re.compile(_TAG)
_STEM = re.compile(rf".*[.-]{_TAG}")
_PACKAGE = re.compile(r".*?-([a-z]{2,3})(?:-[a-z]{2})?(?:-dev)?")


@dataclass(frozen=True)
class Document:
    """One row of the corpus."""

    id: str
    text: str
    lang: str
    source: str


def documents_of(package: str, root: Path) -> Iterator[Document]:
    """All documents of an unpacked package, in path order."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        marked = read_text(path)
        if not marked:
            continue
        if path.name.lower().startswith(("changelog", "copyright")):
            marked = marked[:MOST_OF_A_LOG]
        inside = path.relative_to(root).as_posix().removeprefix("usr/share/")
        source = f"{package}/{inside}"
        texts = [text for text in split(marked) if len(text) >= SHORTEST]
        for number, text in enumerate(texts):
            yield Document(
                id=source if len(texts) == 1 else f"{source}#{number}",
                text=text,
                lang=language_of(package, inside),
                source=source,
            )


def language_of(package: str, path: str) -> str:
    """The language code from the folders, the file name or the name of the package; otherwise `en`."""
    *folders, name = path.split("/")
    stem = name.removesuffix(".gz").rpartition(".")[0]
    claims = [
        *(_FOLDER.fullmatch(folder) for folder in reversed(folders)),
        _FOLDER.fullmatch(stem),
        _STEM.fullmatch(stem),
        _PACKAGE.fullmatch(package),
    ]
    return next((claim[1] for claim in claims if claim and claim[1] in LANGUAGES), "en")


def split(marked: str, enough: int = ENOUGH, most: int = MOST) -> list[str]:
    """Split a text with marked headings into documents. No words are lost, and the marks are removed."""
    if len(marked) * 4 <= most or len(marked.encode()) <= most:
        return [marked.replace(HEADING, "").strip()]
    documents: list[str] = []
    current = ""
    for section in marked.split(HEADING):
        for piece in _pieces(section, most):
            if current and (len(current.encode()) >= enough or len((current + piece).encode()) > most):
                documents.append(current)
                current = ""
            current += piece
    documents.append(current)
    return [text for text in (document.strip() for document in documents) if text]


def _pieces(section: str, most: int) -> Iterator[str]:
    """A section, split between paragraphs, lines or characters if it is too long."""
    if len(section.encode()) <= most:
        yield section
        return
    for separator in ("\n\n", "\n"):
        middle = len(section) // 2
        cut = section.rfind(separator, 1, middle) + len(separator)
        if cut > len(section) // 8:
            break
    else:
        cut = middle
    yield from _pieces(section[:cut], most)
    yield from _pieces(section[cut:], most)
