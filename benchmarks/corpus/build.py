"""Select documents for a corpus of a given size and write them as JSON Lines or Parquet.

The selection depends only on the seed and the harvests. Texts stay on disk: memory contains one small record per document and,
while writing, one row group.
"""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.corpus.fetch import CorpusError, harvest

ROW_GROUP = 2_000
SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "text", "lang", "source")])


@dataclass(frozen=True, slots=True)
class Entry:
    """The position of a document in a harvest, and the values that are counted."""

    harvest: Path
    offset: int
    length: int
    id: str
    lang: str
    text_bytes: int
    fingerprint: bytes
    copy: int = 1


@dataclass
class Report:
    """What was written."""

    documents: int = 0
    bytes_read: int = 0
    text_bytes: int = 0
    bytes_written: int = 0
    distinct_text_bytes: int = 0
    repeated_documents: int = 0
    by_language: dict[str, list[int]] = field(default_factory=dict)


def index(harvested: Path) -> list[Entry]:
    """One entry for each document of a harvest."""
    entries = []
    offset = 0
    with harvested.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            text = row["text"].encode()
            fingerprint = hashlib.blake2b(text, digest_size=12).digest()
            entries.append(Entry(harvested, offset, len(line), row["id"], row["lang"], len(text), fingerprint))
            offset += len(line)
    return entries


def gather(versions: dict[str, str], cache: Path, size: int, jobs: int) -> list[Entry]:
    """Harvest packages in order until they contain `size` bytes of distinct text."""
    entries: list[Entry] = []
    distinct: dict[bytes, int] = {}
    with ProcessPoolExecutor(jobs) as pool:
        for batch in _batches(list(versions), jobs):
            harvests = pool.map(harvest, batch, [versions[package] for package in batch], [cache] * len(batch))
            for package, harvested in zip(batch, harvests, strict=True):
                found = index(harvested)
                entries += found
                distinct |= {entry.fingerprint: entry.text_bytes for entry in found}
                print(f"{package} {versions[package]}: {len(found)} documents", flush=True)
            if sum(distinct.values()) >= size:
                break
    return entries


def choose(entries: Iterable[Entry], size: int, seed: int) -> list[Entry]:
    """Documents in a seeded order, until they reach `size` bytes of text.

    The position of a document depends only on the seed and its ID. If there are too few, all of them are repeated in a
    different order, with `~2`, `~3`, ... appended to their IDs.
    """
    known = list(entries)
    if not any(entry.text_bytes for entry in known):
        raise CorpusError("the packages contain no text")
    chosen: list[Entry] = []
    total = 0
    for copy in itertools.count(1):
        for entry in sorted(known, key=lambda entry: seeded(seed, copy, entry.id)):
            if total >= size:
                return chosen
            chosen.append(_as_copy(entry, copy))
            total += entry.text_bytes
    raise AssertionError("unreachable")


def seeded(seed: int, *parts: object) -> bytes:
    """A pseudo-random sort key that is the same on every machine."""
    return hashlib.blake2b(repr((seed, *parts)).encode(), digest_size=12).digest()


def write(chosen: list[Entry], out: Path, form: str, files: int) -> Report:
    """Write the selected documents to `files` files. Returns a summary."""
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise CorpusError(f"{out} is not empty")
    report = Report()
    handles: dict[Path, BinaryIO] = {path: path.open("rb") for path in {entry.harvest for entry in chosen}}
    try:
        for number in range(files):
            part = out / f"part-{number:05d}.{form}"
            rows = _rows(chosen[number::files], handles)
            (_write_parquet if form == "parquet" else _write_jsonl)(rows, part)
            report.bytes_written += part.stat().st_size
    finally:
        for handle in handles.values():
            handle.close()
    _count(chosen, report)
    return report


def _rows(entries: list[Entry], handles: dict[Path, BinaryIO]) -> Iterator[dict[str, str]]:
    for entry in entries:
        handle = handles[entry.harvest]
        handle.seek(entry.offset)
        yield json.loads(handle.read(entry.length)) | {"id": entry.id}


def _write_jsonl(rows: Iterator[dict[str, str]], part: Path) -> None:
    with part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_parquet(rows: Iterator[dict[str, str]], part: Path) -> None:
    with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        while group := list(itertools.islice(rows, ROW_GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))


def _count(chosen: list[Entry], report: Report) -> None:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for entry in chosen:
        counts[entry.lang] += 1
        sizes[entry.lang] += entry.text_bytes
    report.documents = len(chosen)
    report.bytes_read = sum(entry.length for entry in chosen)
    report.text_bytes = sum(sizes.values())
    report.distinct_text_bytes = sum({entry.fingerprint: entry.text_bytes for entry in chosen}.values())
    report.repeated_documents = sum(entry.copy > 1 for entry in chosen)
    report.by_language = {lang: [counts[lang], sizes[lang]] for lang, _ in sizes.most_common()}


def _as_copy(entry: Entry, copy: int) -> Entry:
    if copy == 1:
        return entry
    return replace(entry, id=f"{entry.id}~{copy}", copy=copy)


def _batches(packages: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(packages), size):
        yield packages[start : start + size]
