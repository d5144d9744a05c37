"""Turn an unpacked package into documents: one row each, about as long as a web page.

Long books are cut at headings. Says which language a package claims a file to be in; many files
are untranslated, and finding that out is the work of the jobs that read the corpus.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus.readers import HEADING, read_text

SHORTEST = 80  # characters; less is an empty page
ENOUGH = 5_000  # UTF-8 bytes after which a document ends at the next heading
MOST = 30_000  # UTF-8 bytes that no document exceeds
MOST_OF_A_LOG = 65_536  # characters taken of a change log or a copyright file

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
    """Every document in an unpacked package, in the order of its paths."""
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
    """The language code that the folders, the file name or the package's name claim, else `en`."""
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
    """Cut a text with marked headings into documents; no word is lost and the marks are removed."""
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
    """A section as it is, or cut between paragraphs, lines or, at last, characters."""
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
