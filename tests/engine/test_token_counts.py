"""The report contains the tokens of each source at every step that writes, packs or stores tokens."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datajob.api.report import Report
from datajob.engine.counts.sources import ALL, MOST, OTHERS, Sources, count_tokens
from datajob.engine.counts.tally import Tally
from datajob.errors import InvalidJob
from datajob.parameters import TokenColumns
from tests.support.local_jobs import make_job, run, write_parts

ROWS = [{"source": ("web", "code", None)[i % 3], "text": "to be or not to be " * (i % 4 + 1)} for i in range(30)]


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer whose tokens are words."""
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0, "to": 1, "be": 2, "or": 3}, unk_token="?"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return str(path)


def counts(report: Report, step: str) -> dict[str, tuple[int, int | None]]:
    """The rows and tokens of each source at a step."""
    return {found.source: (found.rows, found.tokens) for found in report.sources if found.step == step}


def test_tokens_are_counted_by_source_at_each_step(tokenizer_path: str, tmp_path: Path) -> None:
    write_parts(tmp_path / "in", ROWS, 4)
    tokenize = {"tokenize": {"tokenizer": tokenizer_path, "source": "source"}}
    sink = {"megatron": {"path": str(tmp_path / "out"), "vocabularySize": 70_000, "source": "source"}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [tokenize, {"filter": {"where": "source = 'web'"}}], sink=sink))
    at_tokenize, at_write = counts(report, "tokenize"), counts(report, "write")
    assert {name: rows for name, (rows, _) in at_tokenize.items()} == {"web": 10, "code": 10, "(null)": 10}
    assert at_write == {"web": at_tokenize["web"]}
    bytes_written = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*.bin"))
    assert at_write["web"][1] == bytes_written / 4


@pytest.mark.parametrize(("long", "tokens"), [("truncate", 4), ("split", 9)])
def test_truncated_tokens_are_not_counted(long: str, tokens: int, tmp_path: Path) -> None:
    rows = [{"source": "a", "input_ids": list(range(9))}, {"source": "b", "input_ids": [1]}, {"source": "b", "input_ids": None}]
    write_parts(tmp_path / "in", rows, 2)
    step: dict[str, Any] = {"pack": {"length": 4, "long": long, "source": "source"}}
    report = run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    assert counts(report, "pack") == {"a": (1, tokens), "b": (2, 1)}
    assert [found.share for found in report.sources] == [tokens / (tokens + 1), 1 / (tokens + 1)]


def test_failed_rows_are_not_counted(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"input_ids": [1] * n} for n in (2, 9, 3)], 1)
    report = run(make_job(tmp_path / "in", tmp_path / "out", [{"pack": {"length": 4}}], errors={"policy": "drop"}))
    assert counts(report, "pack") == {ALL: (2, 5)}


def test_the_number_of_sources_is_limited() -> None:
    table = pa.table({"source": [f"s{i:04}" for i in range(MOST + 3)], "n": range(MOST + 3)})
    sources: Sources = {}
    count_tokens(sources, table, TokenColumns("n", "source"))
    assert len(sources) == MOST + 1
    assert (sources[OTHERS].rows, sources[OTHERS].tokens) == (3, 3 * MOST + 3)
    assert Tally.from_json(Tally(sources={"step": sources}).to_json()).sources == {"step": sources}


def test_a_missing_source_of_the_sink_is_refused(tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"input_ids": [1], "source": "a"}], 1)
    sink = {"megatron": {"path": str(tmp_path / "out"), "vocabularySize": 10, "source": "sourse"}}
    with pytest.raises(InvalidJob, match=r"column `sourse` is not available at this step .*did you mean `source`"):
        run(make_job(tmp_path / "in", tmp_path / "out", sink=sink))
