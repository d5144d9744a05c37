"""Sample the small corpus of the repository and write its README.

Selects whole pages with all their translations, so that the sample contains real duplicates (untranslated pages),
near-duplicates (the same manual for two machines) and junk (navigation, licenses).
"""

import gzip
import json
import re
from collections import defaultdict
from pathlib import Path

from benchmarks.corpus.build import Entry, seeded
from benchmarks.corpus.packages import DEMO_LICENSES

DOCUMENTS = 3_000
MOST_OF_A_PAGE = 16  # documents with the same page name; there are thousands of index pages
MOST_BYTES = 6_000
LANGUAGES = frozenset(["en", "de", "fr", "es", "it", "pt", "ru", "pl", "zh", "ja", "ko", "ar", "vi"])
JUNK = "copyright"  # A page name that is always selected, regardless of its length.

_MAIL = re.compile(r"[\w.+-]+(?:@| AT )[\w-]+(?:\.[\w-]+)+")
_HOST = re.compile(
    r"(?<![\w.@-])(?:[A-Za-z0-9_-]+\.)+(?:org|com|net|info|edu|gov|io|eu|de|fr|jp|es|it|pl|uk|ru|cn|br)\b(?!\.\w)"
)

README = """# The demo corpus

`docs.jsonl.gz` contains {documents:,} real documents in {languages} languages. Each line is a JSON object with `id`, `text`,
`lang` (the language according to the source; some pages are not translated) and `source` (package/path). Duplicates,
near-duplicates and junk are as in the sources: removing them is what the sample jobs demonstrate.

The corpus was built from Debian documentation packages with

    python -m benchmarks.corpus --demo --out DIR

The command selects pages in a seeded order, each with its translations, skips documents larger than {most_bytes:,} bytes
(except licenses) and removes the markup. It **changes the texts in one way**: email addresses and host names are replaced with
`someone@example.org` and `example.org`. Everything else is as written by the authors. The authors and the full license texts
are listed in `/usr/share/doc/PACKAGE/copyright` of each package. The data in this folder remains under these licenses, not
under the license of this project.

| Package | Version | License | Documents |
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
    """Groups of documents with the same page name, from each family of packages in turn."""
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
    """The common name of a page and its translations: the file name without a language."""
    name = document.rpartition("/")[2]
    return re.sub(r"\.[a-z]{2}(?:[-_][A-Za-z]{2})?(?=\.)", "", name)


def without_addresses(text: str) -> str:
    """The text with the addresses of real people and machines replaced by example addresses."""
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
        f"| {package} | {versions[package]} | {DEMO_LICENSES[package]} | {counts[package]} |" for package in sorted(counts)
    )
    languages = len({row["lang"] for row in rows})
    return README.format(documents=len(rows), languages=languages, most_bytes=MOST_BYTES, table=table)
