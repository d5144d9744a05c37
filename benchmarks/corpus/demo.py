"""Sample the small corpus that the project ships, and write what it was made of.

Takes whole pages with all their translations, so that real duplicates (untranslated pages), near
duplicates (the same manual for two machines) and junk (navigation, licences) come along.
"""

import gzip
import json
import re
from collections import defaultdict
from pathlib import Path

from benchmarks.corpus.build import Entry, seeded
from benchmarks.corpus.packages import DEMO_LICENCES

DOCUMENTS = 3_000
MOST_OF_A_PAGE = 16  # documents of one page name: there are thousands of index pages
MOST_BYTES = 6_000
LANGUAGES = frozenset(["en", "de", "fr", "es", "it", "pt", "ru", "pl", "zh", "ja", "ko", "ar", "vi"])
JUNK = "copyright"  # A page name that is always taken, at any length.

_MAIL = re.compile(r"[\w.+-]+(?:@| AT )[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(
    r"(?<![\w.@-])(?:[A-Za-z0-9_-]+\.)+(?:org|com|net|info|edu|gov|io|eu|de|fr|jp|es|it|pl|uk|ru|cn|br)\b(?!\.\w)"
)

README = """# The demo corpus

`docs.jsonl.gz` holds {documents} real documents in {languages} languages, one JSON object a line with
`id`, `text`, `lang` (what the source claims; some pages are in fact untranslated) and `source`
(package/path). Duplicates, near duplicates and junk are as they are in the sources: cleaning them
out is what the sample jobs show.

It was made from documentation packages of Debian by

    python -m benchmarks.corpus --demo --out DIR

which takes pages in a seeded order, each with its translations, leaves out documents above
{most_bytes} bytes (but no licence), strips the markup, and **changes the texts in one way**: mail
addresses and host names are replaced by `someone@example.org` and `example.org`. Everything else is as its authors
wrote it. The authors and the full licence texts are named in `/usr/share/doc/PACKAGE/copyright`
of each package. This folder's data stays under those licences, not under the project's own.

| package | version | licence | documents |
| --- | --- | --- | ---: |
{table}
"""


def write_demo(entries: list[Entry], versions: dict[str, str], out: Path, seed: int) -> None:
    """Write `docs.jsonl.gz` and its `README.md`."""
    chosen = sample(entries, seed)
    rows = [json.loads(_line(entry)) for entry in chosen]
    lines = [json.dumps(row | {"text": without_addresses(row["text"])}, ensure_ascii=False) for row in rows]
    out.mkdir(parents=True, exist_ok=True)
    data = gzip.compress("".join(f"{line}\n" for line in lines).encode(), 9, mtime=0)
    (out / "docs.jsonl.gz").write_bytes(data)
    (out / "README.md").write_text(_readme(rows, versions), encoding="utf-8")
    print(f"{len(rows)} documents, {sum(entry.text_bytes for entry in chosen)} bytes of text, {len(data)} compressed")


def sample(entries: list[Entry], seed: int, documents: int = DOCUMENTS) -> list[Entry]:
    """Whole groups of documents with one page name, from each family of packages in turn."""
    families: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        name = page_name(entry.id)
        if entry.lang in LANGUAGES and (entry.text_bytes <= MOST_BYTES or name == JUNK):
            families["" if name == JUNK else entry.id.partition("-")[0]][name].append(entry)
    left = {family: sorted(pages, key=lambda name: seeded(seed, name)) for family, pages in sorted(families.items())}
    chosen: list[Entry] = []
    while any(left.values()) and len(chosen) < documents:
        for family in [family for family, names in left.items() if names]:
            page = families[family][left[family].pop()]
            chosen += sorted(page, key=lambda entry: seeded(seed, entry.id))[:MOST_OF_A_PAGE]
    return sorted(chosen, key=lambda entry: seeded(seed, "order", entry.id))


def page_name(document: str) -> str:
    """What a page and its translations have in common: the file's name without a language."""
    name = document.rpartition("/")[2]
    return re.sub(r"\.[a-z]{2}(?:[-_][A-Za-z]{2})?(?=\.)", "", name)


def without_addresses(text: str) -> str:
    """The text with example addresses in place of those of real people and machines."""
    return _HOST.sub("example.org", _MAIL.sub("someone@example.org", text))


def _line(entry: Entry) -> bytes:
    with entry.harvest.open("rb") as file:
        file.seek(entry.offset)
        return file.read(entry.length)


def _readme(rows: list[dict[str, str]], versions: dict[str, str]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        counts[row["source"].partition("/")[0]] += 1
    table = "\n".join(
        f"| {package} | {versions[package]} | {DEMO_LICENCES[package]} | {counts[package]} |" for package in sorted(counts)
    )
    languages = len({row["lang"] for row in rows})
    return README.format(documents=len(rows), languages=languages, most_bytes=MOST_BYTES, table=table)
