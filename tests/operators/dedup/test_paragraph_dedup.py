"""paragraphDedup removes repeated paragraphs, as plain Python does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from datajob.operators.dedup.paragraph_dedup import ParagraphDedup
from tests.support.pieces import Texts, check_pieces, left_by


def test_repeated_paragraphs_are_removed_as_in_plain_python() -> None:
    check_pieces(ParagraphDedup())


@pytest.mark.parametrize(
    ("step", "given", "left"),
    [
        ({"paragraphDedup": {}}, ["a\nb\n\nc", "c\n\n\na\nb\n\nd\n", "b"], ["a\nb\n\nc", "d\n", "b"]),
        ({"paragraphDedup": {}}, ["x\r\n\r\ny\r\n", "y"], ["x\r\n\r\ny\r\n"]),
    ],
)
@pytest.mark.parametrize("shard_bytes", [1, 10**9])
def test_paragraphs_repeated_in_other_rows_are_removed(
    step: dict[str, Any], given: Texts, left: Texts, shard_bytes: int, tmp_path: Path
) -> None:
    assert left_by(step, given, tmp_path, shard_bytes) == left
