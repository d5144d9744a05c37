"""Text that people read contains none of the retired terms of docs/glossary.md."""

import ast
import functools
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
AREAS = {
    "pages": ["*.md", "docs/*.md", "docs/adr/*.md", "docs/runbooks/*.md", "hack/*.md", "manifests/samples/data/*.md"],
    "reference": ["docs/reference/*.md", "docs/datajob.schema.json", "manifests/crd/*.yaml"],
    "api": [
        "workloads/datajob/*.py",
        *(f"workloads/datajob/{folder}/*.py" for folder in ("api", "cli", "cluster", "media", "python")),
    ],
    "engine": ["workloads/datajob/engine/**/*.py", "workloads/datajob/engine/**/*.css"],
    "formats": ["workloads/datajob/formats/**/*.py"],
    "operators": ["workloads/datajob/operators/**/*.py"],
    "controller": ["controller/**/*.py", "manifests/[!cs]*/*.*", "manifests/controller/*", "helm/**/*.*"],
    "samples": ["manifests/samples/*.*", "kind-config.yaml"],
    "tools": [
        "Makefile",
        "*.toml",
        "hack/**/*.*",
        "benchmarks/**/*.py",
        "*/Dockerfile",
        "workloads/requirements.sh",
        "workloads/*.md",
    ],
}


@dataclass(frozen=True)
class Term:
    """A retired term."""

    words: tuple[str, ...]
    """In lowercase, to skip most files and texts quickly."""
    pattern: re.Pattern[str]
    instead: str
    allowed: tuple[str, ...]


@functools.cache
def retired() -> tuple[Term, ...]:
    """The table of the glossary."""
    table = GLOSSARY.read_text(encoding="utf-8").partition("\n## Retired terms\n")[2]
    found: list[Term] = []
    for row in re.findall(r"^\| (`.*)\|$", table, re.MULTILINE):
        terms, instead, allowed = (cell.strip() for cell in row.split("|"))
        exceptions = tuple(a or b for a, b in re.findall(r"`` (.+?) ``|`([^`]+)`", allowed))
        for term in re.findall(r"`([^`]+)`", terms):
            start = r"(?:\A|description\W+|\| )\s*" if term.startswith("^") else r"(?<![\w-])"
            words = r"\s+".join(map(re.escape, term.removeprefix("^").split()))
            plain = tuple(term.removeprefix("^").lower().split())
            found.append(Term(plain, re.compile(rf"{start}{words}(?![\w-])", re.IGNORECASE), instead, exceptions))
    return tuple(found)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The parts of a file that people read, with their first line."""
    content = path.read_text(encoding="utf-8")
    if path == GLOSSARY:
        content = content.partition("\n## Retired terms\n")[0]
    if path.suffix != ".py":
        yield 1, content
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def offenses(path: Path) -> list[str]:
    """Each retired term in a file, with its line and replacement."""
    name = str(path.relative_to(ROOT))
    found: list[str] = []
    content = path.read_text(encoding="utf-8").lower()
    possible = [term for term in retired() if all(word in content for word in term.words)]
    for line, text in texts(path) if possible else ():
        lowered = text.lower()
        for term in (term for term in possible if term.words[0] in lowered):
            for match in term.pattern.finditer(text):
                if not is_allowed(term, name, text, match):
                    where = line + text.count("\n", 0, match.start())
                    found.append(f"{name}:{where}: `{match[0].strip()}`; write: {term.instead}")
    return found


def is_allowed(term: Term, name: str, text: str, match: re.Match[str]) -> bool:
    """Whether the file or the words around the term are among the exceptions."""
    for exception in term.allowed:
        if "/" in exception and fnmatch(name, exception):
            return True
        begin, end = max(0, match.start() - len(exception)), match.end() + len(exception)
        if exception.lower() in text[begin:end].lower():
            return True
    return False


def is_text(path: Path) -> bool:
    """Leave out folders, caches and links to other files."""
    return path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts


@pytest.mark.parametrize("area", AREAS)
def test_no_retired_term_is_in_text_that_people_read(area: str) -> None:
    files = {path for pattern in AREAS[area] for path in ROOT.glob(pattern) if is_text(path)}
    assert files, f"{area} has no files"
    found = [offense for path in sorted(files) for offense in offenses(path)]
    assert not found, "\n".join(found)


def test_a_retired_term_is_found_in_a_docstring_a_message_and_a_comment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.docs.test_language.ROOT", tmp_path)
    source = '"""Some white space."""\nraise ValueError("After mending it,\\nthe run goes on.")  # as it comes\n'
    (tmp_path / "module.py").write_text(source)
    assert [offense.partition(";")[0] for offense in offenses(tmp_path / "module.py")] == [
        "module.py:1: `white space`",
        "module.py:2: `mending`",
        "module.py:3: `goes on`",
        "module.py:2: `as it comes`",
    ]
