"""lineDedup removes repeated lines, as plain Python does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datajob.operators.dedup.line_dedup import LineDedup
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.pieces import Texts, check_pieces, left_by


def test_repeated_lines_are_removed_as_in_plain_python() -> None:
    check_pieces(LineDedup())


@pytest.mark.parametrize(
    ("step", "given", "left"),
    [
        ({"lineDedup": {}}, ["a\nb", "b\nc\n", "c"], ["a\nb", "c\n"]),
        ({"lineDedup": {"rejectEmpty": False}}, ["a", " a ", None, ""], ["a", "", None, ""]),
        ({"lineDedup": {"minCharacters": 3}}, ["ab\nabc", "ab\nabc"], ["ab\nabc", "ab"]),
        ({"lineDedup": {"normalize": "casefold"}}, ["One  line", "one line\nTWO", "two"], ["One  line", "TWO"]),
        ({"lineDedup": {"normalize": "letters"}}, ["--\nA.", "--\na!\nb"], ["--\nA.", "--\nb"]),
        ({"lineDedup": {}}, ["if:\n    x\ny", "    x\n  y\n    z"], ["if:\n    x\ny", "    z"]),
    ],
)
@pytest.mark.parametrize("shard_bytes", [1, 10**9])
def test_lines_repeated_in_other_rows_are_removed(
    step: dict[str, Any], given: Texts, left: Texts, shard_bytes: int, tmp_path: Path
) -> None:
    assert left_by(step, given, tmp_path, shard_bytes) == left


def test_lines_of_an_existing_corpus_are_removed(tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": "footer\nold"}], 1)
    write_parts(tmp_path / "in", [{"text": "new\nfooter"}, {"text": "old"}], 2)
    run(make_job(tmp_path / "in", tmp_path / "out", [{"lineDedup": {"against": str(tmp_path / "old")}}]))
    assert [row["text"] for row in read_manifest(tmp_path / "out")] == ["new"]
