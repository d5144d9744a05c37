"""Helpers for tests of lineDedup and paragraphDedup: plain Python that removes repeated pieces."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.base import Batch
from datajob.operators.dedup._pieces import PieceDedup
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.texts import texts

Texts = list[str | None]


def cut(text: str, paragraphs: bool) -> list[str]:
    """Pieces with what follows them up to the next; a first one of only whitespace if there is any."""
    found: list[str] = [""]
    inside = False
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        blank = not line.strip()
        if not blank and not (inside and paragraphs):
            found.append("")
        inside = not blank
        found[-1] += line
    return found


def slow(rows: Texts, paragraphs: bool) -> Texts:
    """The texts without repeated pieces; those of which nothing is left become empty."""
    seen: set[str] = set()
    result: Texts = []
    for text in rows:
        if text is None:
            result.append(None)
            continue
        head, *pieces = cut(text, paragraphs)
        left = [(number, p) for number, p in enumerate(pieces) if not (p.strip() in seen or seen.add(p.strip()))]  # type: ignore[func-returns-value]
        lost_last = bool(pieces) and (not left or left[-1][0] != len(pieces) - 1)
        joined = head + "".join(p for _, p in left)
        result.append(joined.rstrip() if lost_last else joined)
    return result


def removed(operator: Any, rows: Texts) -> tuple[Texts, list[int]]:
    """The texts as they are after one batch, and the codes of their rows."""
    batch = Batch(pa.table({"text": pa.array(rows, pa.string())}))
    signatures = operator.signatures(batch)
    repeats = operator.resolve(signatures.set_column(0, "row", signatures.column("row").cast(pa.int64()))).sort_by("row")
    verdict = operator.remove(batch, repeats)
    return verdict.columns["text"].to_pylist(), verdict.codes.tolist()


def check_pieces(operator: PieceDedup) -> None:
    """Repeated pieces are removed as in plain Python, and texts that become empty are rejected."""

    @settings(max_examples=150, deadline=None)
    @given(
        rows=st.lists(
            st.one_of(st.none(), texts, st.lists(st.sampled_from(["a", "b", "", "\t"]), max_size=20).map("\n".join)),
            max_size=6,
        )
    )
    def check(rows: Texts) -> None:
        found, codes = removed(operator, rows)
        assert found == slow(rows, operator.paragraphs)
        had = [bool(row and row.strip()) for row in rows]
        assert codes == [int(before and not (after or "").strip()) for before, after in zip(had, found, strict=True)]

    check()


def left_by(step: dict[str, Any], rows: Texts, folder: Path, shard_bytes: int) -> Texts:
    """The texts after a job with this step, one file per row."""
    write_parts(folder / "in", [{"text": text} for text in rows], len(rows), pa.schema([("text", pa.string())]))
    run(make_job(folder / "in", folder / "out", [step]), shard_bytes=shard_bytes)
    return [row["text"] for row in read_manifest(folder / "out")]
