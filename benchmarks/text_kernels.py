"""The speed of the text rules on one core, with text in Arrow memory: no reading and no Ray.

    python -m benchmarks.text_kernels [CORPUS] [--megabytes 100]

CORPUS is a folder of Parquet files with a column `text`; by default, the corpus of all benchmarks. Speeds are MB of text per
CPU second, so other processes have little effect. Prints one JSON line per measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence

os.environ["POLARS_MAX_THREADS"] = "1"  # before polars is imported: it is compared on one core

import ftfy
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from benchmarks.data import corpus
from benchmarks.polars_rules import gopher_rules
from datajob.operators.base import Batch, Filter
from datajob.operators.strings.column import with_column
from datajob.operators.text.c4_quality import C4Quality
from datajob.operators.text.character_repetition import CharacterRepetition
from datajob.operators.text.digit_ratio import DigitRatio
from datajob.operators.text.fineweb_quality import FinewebQuality
from datajob.operators.text.gopher_quality import GopherQuality
from datajob.operators.text.gopher_repetition import GopherRepetition
from datajob.operators.text.language_id import LanguageId
from datajob.operators.text.pii_redact import PiiRedact
from datajob.operators.text.stop_word_ratio import StopWordRatio
from datajob.operators.text.unicode_normalize import UnicodeNormalize
from datajob.operators.text.url_ratio import UrlRatio
from datajob.operators.text.word_count import WordCount
from datajob.operators.text.word_repetition import WordRepetition

BATCH_MB = 24


def batches_of(corpus: str, megabytes: int) -> list[pa.Table]:
    """The column `text` in tables of about BATCH_MB, up to `megabytes`."""
    tables: list[pa.Table] = []
    waiting: list[pa.RecordBatch] = []
    for batch in ds.dataset(corpus).to_batches(columns=["text"]):
        waiting.append(batch)
        if sum(b.nbytes for b in waiting) >= BATCH_MB * 1e6:
            tables.append(pa.Table.from_batches(waiting).combine_chunks())
            waiting = []
        if sum(t.nbytes for t in tables) >= megabytes * 1e6:
            break
    return tables or [pa.Table.from_batches(waiting).combine_chunks()]


def rate(work: Callable[[pa.Table], object], tables: Sequence[pa.Table]) -> float:
    """MB of text per CPU second, after one table for warm-up."""
    work(tables[0])
    start = time.process_time()
    for table in tables:
        work(table)
    return float(sum(table.nbytes for table in tables)) / 1e6 / (time.process_time() - start)


def pass_of(filters: Iterable[Filter]) -> Callable[[pa.Table], object]:
    """The filters as the engine applies them: one batch, shared words, rejected rows skipped."""

    def run(table: pa.Table) -> Batch:
        batch = Batch(table, np.ones(len(table), dtype=np.bool_))
        for rule in filters:
            verdict = rule.keep(batch)
            alive = verdict.codes == 0 if batch.alive is None else batch.alive & (verdict.codes == 0)
            if verdict.columns:
                table = batch.table
                for name, column in verdict.columns.items():
                    table = with_column(table, name, column)
                batch = Batch(table, alive)
            else:
                batch.alive = alive
        return batch

    return run


def gopher_in_polars(table: pa.Table) -> object:
    """Gopher's quality rules as expressions over a lazy frame."""
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return gopher_rules(frame.lazy()).select("keep").collect()


def repair_by_ftfy(table: pa.Table) -> object:
    """The equivalent of `unicodeNormalize` with ftfy only."""
    config = ftfy.TextFixerConfig(uncurl_quotes=False, explain=False)
    return [ftfy.fix_text(text, config) for text in table.column("text").to_pylist()]


def _few(table: pa.Table) -> pa.Table:
    """An eighth of the table in separate buffers, because ftfy is slow."""
    return table.take(list(range(len(table) // 8)))


def figures(tables: Sequence[pa.Table]) -> Iterable[tuple[str, float, str, float | None, float | None]]:
    """Name, value, what it is compared with, the value of that, and the goal."""
    for tokenizer in ("whitespace", "unicode"):
        rules = [kind(tokenizer=tokenizer) for kind in (GopherQuality, GopherRepetition, C4Quality, FinewebQuality)]
        yield f"R1, {tokenizer} words", rate(pass_of(rules), tables), "", None, 40
        yield f"R1, {tokenizer} words, repetition first", rate(pass_of([rules[1], rules[0], *rules[2:]]), tables), "", None, 40
        for rule in rules:
            yield f"{rule.key}, {tokenizer} words", rate(pass_of([rule]), tables), "", None, None
    for measure in (WordCount(), DigitRatio(), CharacterRepetition(), WordRepetition(), StopWordRatio(), UrlRatio()):
        yield measure.key, rate(pass_of([measure]), tables), "", None, None
    yield "languageId", rate(pass_of([LanguageId()]), tables), "", None, 30
    yield "piiRedact", rate(lambda table: PiiRedact().apply(Batch(table)), tables), "", None, 50
    normal = rate(lambda table: UnicodeNormalize().apply(Batch(table)), tables)
    yield "unicodeNormalize", normal, "ftfy, part of the text", rate(repair_by_ftfy, [_few(tables[0])]), None
    gopher = rate(pass_of([GopherQuality(tokenizer="whitespace")]), tables)
    yield "gopherQuality", gopher, "polars, the same rules", rate(gopher_in_polars, tables), 3


def main() -> None:
    """Print all measurements for the corpus given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?")
    parser.add_argument("--megabytes", type=int, default=100)
    options = parser.parse_args()
    for name, value, against, other, goal in figures(batches_of(options.corpus or str(corpus()), options.megabytes)):
        ratio = round(value / other, 1) if other else None
        line = {"figure": name, "value": round(value, 1), "unit": "MB/s per core", "against": against or None, "ratio": ratio}
        print(json.dumps({**line, "goal": goal}), flush=True)


if __name__ == "__main__":
    main()
