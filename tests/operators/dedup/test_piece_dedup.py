"""lineDedup and paragraphDedup against plain Python, through the engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.base import Batch
from datajob.operators.dedup.line_dedup import LineDedup
from datajob.operators.dedup.paragraph_dedup import ParagraphDedup
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.texts import texts

Texts = list[str | None]


def cut(text: str, paragraphs: bool) -> list[str]:
    """Pieces with what follows them up to the next; a first one of only white space if there is any."""
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


@pytest.mark.parametrize("operator", [LineDedup(), ParagraphDedup()], ids=["lines", "paragraphs"])
@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.one_of(st.none(), texts, st.lists(st.sampled_from(["a", "b", "", "\t"]), max_size=20).map("\n".join)), max_size=6
    )
)
def test_repeated_pieces_go_as_in_plain_python(operator: LineDedup, rows: Texts) -> None:
    found, codes = removed(operator, rows)
    assert found == slow(rows, operator.paragraphs)
    had = [bool(row and row.strip()) for row in rows]
    assert codes == [int(before and not (after or "").strip()) for before, after in zip(had, found, strict=True)]


@pytest.mark.parametrize(
    ("step", "given", "left"),
    [
        ({"lineDedup": {}}, ["a\nb", "b\nc\n", "c"], ["a\nb", "c\n"]),
        ({"lineDedup": {"rejectEmpty": False}}, ["a", " a ", None, ""], ["a", "", None, ""]),
        ({"lineDedup": {"minCharacters": 3}}, ["ab\nabc", "ab\nabc"], ["ab\nabc", "ab"]),
        ({"lineDedup": {"normalize": "casefold"}}, ["One  line", "one line\nTWO", "two"], ["One  line", "TWO"]),
        ({"lineDedup": {"normalize": "letters"}}, ["--\nA.", "--\na!\nb"], ["--\nA.", "--\nb"]),
        ({"lineDedup": {}}, ["if:\n    x\ny", "    x\n  y\n    z"], ["if:\n    x\ny", "    z"]),
        ({"paragraphDedup": {}}, ["a\nb\n\nc", "c\n\n\na\nb\n\nd\n", "b"], ["a\nb\n\nc", "d\n", "b"]),
        ({"paragraphDedup": {}}, ["x\r\n\r\ny\r\n", "y"], ["x\r\n\r\ny\r\n"]),
    ],
)
@pytest.mark.parametrize("shard_bytes", [1, 10**9])
def test_pieces_repeated_in_other_rows_are_taken_out(
    step: dict[str, Any], given: Texts, left: Texts, shard_bytes: int, tmp_path: Path
) -> None:
    write_parts(tmp_path / "in", [{"text": text} for text in given], len(given), pa.schema([("text", pa.string())]))
    run(make_job(tmp_path / "in", tmp_path / "out", [step]), shard_bytes=shard_bytes)
    assert [row["text"] for row in read_manifest(tmp_path / "out")] == left


def test_lines_of_an_older_corpus_are_taken_out(tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": "footer\nold"}], 1)
    write_parts(tmp_path / "in", [{"text": "new\nfooter"}, {"text": "old"}], 2)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"lineDedup": {"against": str(tmp_path / "old")}}]))
    assert [row["text"] for row in read_manifest(tmp_path / "out")] == ["new"]
