"""exactDedup against an older corpus, through the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.local_jobs import make_job, read_manifest, run, write_parts


@pytest.mark.parametrize("parameters", [{}, {"normalize": "casefold"}, {"keep": "best", "by": "score"}, {"keep": "longest"}])
def test_what_is_in_the_older_corpus_is_dropped_whatever_its_score(parameters: dict[str, Any], tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": "old", "score": 0, "other": "x"}], 1)
    write_parts(tmp_path / "in", [{"text": t, "score": s} for t, s in [("old", 9), ("new", 1), ("old", 3), ("new", 2)]], 2)
    step = {"exactDedup": {"against": str(tmp_path / "old"), **parameters}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]), shard_bytes=1)
    expected = {"text": "new", "score": 2 if parameters.get("keep") == "best" else 1}
    assert read_manifest(tmp_path / "out") == [expected]
    assert report.progress.rows_out == 1
