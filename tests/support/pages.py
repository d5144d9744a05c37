"""The documentation pages as fenced blocks."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in sorted(ROOT.glob("docs/*.md"))))
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The name of the file to write the block to, from its first line: `# job.yaml`."""
        named = re.match(r"# ([\w.-]+\.(?:yaml|py))\n", self.text)
        return named[1] if named else None


@dataclass(frozen=True)
class Command:
    """A command of a `console` block and its documented output."""

    text: str
    shown: tuple[str, ...]


@cache
def read(page: str) -> str:
    """The page's text."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    """The blocks of a page in these languages, in order."""
    text = read(page)
    found = (Block(page, text.count("\n", 0, m.start()) + 1, m[1], m[2]) for m in _FENCE.finditer(text))
    return [block for block in found if block.language in languages]


def commands(block: Block) -> list[Command]:
    """The commands of a `console` block: `$ ` begins one, `> ` continues it, the rest is its output."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(([line[2:]], []))
        elif line.startswith("> "):
            found[-1][0].append(line[2:])
        else:
            found[-1][1].append(line)
    return [Command("\n".join(lines), tuple(shown)) for lines, shown in found]
