"""minhashDedup: recall and precision for planted near-duplicates, speed, and growth of the cost.

    python -m benchmarks.dedup_minhash [CORPUS] [--documents 20000]

CORPUS is a folder of Parquet files with a column `text`; by default, the corpus of all benchmarks. Prints one JSON line per
measurement. Times are CPU times of one process, and ratios compare measurements of the same run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from benchmarks.data import corpus
from benchmarks.planted import planted_documents, similar_pairs
from datajob.api.datajob import DataJob
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from datajob.operators.base import Batch
from datajob.operators.dedup.minhash_dedup import MinhashDedup

R1: list[dict[str, Any]] = [{"gopherRepetition": {}}, {"gopherQuality": {}}, {"c4Quality": {}}, {"finewebQuality": {}}]


def show(figure: str, value: float, unit: str, against: str = "", ratio: float | None = None, goal: str = "") -> None:
    """Print one measurement."""
    print(
        json.dumps({"figure": figure, "value": round(value, 4), "unit": unit, "against": against, "ratio": ratio, "goal": goal})
    )


def run(source: Path, sink: Path, steps: Iterable[dict[str, Any]]) -> float:
    """CPU seconds of a job from Parquet to Parquet in this process."""
    shutil.rmtree(sink, ignore_errors=True)
    spec = {"sources": [{"parquet": {"paths": [str(source)]}}], "steps": list(steps), "sink": {"parquet": {"path": str(sink)}}}
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "benchmark"}, "spec": spec}
    started = time.process_time()
    run_job(DataJob.model_validate(job), RunOptions(executor="local"))
    return time.process_time() - started


def quality(documents: int, folder: Path) -> None:
    """Recall and precision of rejected rows, compared with an exhaustive search for rows similar to an earlier one."""
    texts = planted_documents(documents, seed=1)
    (folder / "planted").mkdir()
    pq.write_table(pa.table({"id": range(documents), "text": texts}), folder / "planted" / "in.parquet")
    expected = {later for _, later in similar_pairs(texts, 0.8)}
    for name, parameters in {
        "minhashDedup": {},
        "minhashDedup, 14 x 8": {"bands": 14, "rows": 8},
        "minhashDedup, 14 x 8, verify: false": {"bands": 14, "rows": 8, "verify": False},
    }.items():
        run(folder / "planted", folder / "out", [{"minhashDedup": parameters}])
        left = ds.dataset(folder / "out", exclude_invalid_files=True).to_table(columns=["id"]).column("id").to_pylist()
        dropped = set(range(documents)) - set(left)
        against = f"exhaustive comparison, {documents} documents, {len(expected)} to reject"
        goal = ">= 0.98" if not parameters else ""
        show(f"{name}: recall at Jaccard 0.8", len(dropped & expected) / len(expected), "of rows", against, goal=goal)
        show(f"{name}: precision at Jaccard 0.8", len(dropped & expected) / len(dropped), "of rows", against, goal=goal)


def signatures(corpus: Path) -> None:
    """Speed of computing signatures only, in memory."""
    table = ds.dataset(corpus).head(20_000, columns=["text"])
    size = table.column("text").nbytes / 1e6
    operator = MinhashDedup(bands=14, rows=8)
    operator.signatures(Batch(table.slice(0, 10)))
    seconds = []
    for _ in range(3):
        started = time.process_time()
        operator.signatures(Batch(table))
        seconds.append(time.process_time() - started)
    show("minhash signatures, 14 x 8, word 5-grams", size / min(seconds), "MB/s per core", goal=">= 80")


def whole_jobs(corpus: Path, folder: Path) -> None:
    """Speed of complete jobs, compared with one that only reads and writes."""
    size = sum(table.nbytes for table in ds.dataset(corpus).to_batches(columns=["text"])) / 1e6
    run(corpus, folder / "out", [*R1, {"minhashDedup": {}}])  # compiles kernels that are not in the cache
    plain = run(corpus, folder / "out", [])
    show("read and write", size / plain, "MB/s per core")
    for name, steps, goal in (
        ("minhashDedup", [{"minhashDedup": {}}], ""),
        ("exactDedup", [{"exactDedup": {}}], ">= 100"),
        ("simhashDedup", [{"simhashDedup": {}}], ""),
        ("lineDedup", [{"lineDedup": {}}], ""),
        ("paragraphDedup", [{"paragraphDedup": {}}], ""),
        ("substringDedup", [{"substringDedup": {}}], ""),
        ("R1", R1, ""),
        ("R1 + minhashDedup", [*R1, {"minhashDedup": {"bands": 14, "rows": 8}}], ">= 40 on two cores"),
    ):
        seconds = run(corpus, folder / "out", steps)
        show(name, size / seconds, "MB/s per core", "read and write", round(plain / seconds, 3), goal)


def growth(corpus: Path, folder: Path) -> None:
    """Cost for 4 and 16 times the rows. The texts of each copy differ, so the share of duplicates stays the same."""
    table = ds.dataset(corpus).head(12_000, columns=["text"])
    texts = [text or "" for text in table.column("text").to_pylist()]
    cost = {}
    for times in (1, 4, 16):
        source = folder / f"x{times}"
        source.mkdir()
        for copy in range(times):
            changed = [" ".join(f"{word}{copy:02}" for word in text.split()[:400]) for text in texts]
            pq.write_table(pa.table({"text": changed}), source / f"{copy:02}.parquet")
        run(source, folder / "out", [{"minhashDedup": {}}])
        cost[times] = min(run(source, folder / "out", [{"minhashDedup": {}}]) for _ in range(2))
    for times in (4, 16):
        ratio = cost[times] / cost[1]
        show(f"minhashDedup, {times} x rows", cost[times], "s", "1 x rows", round(ratio, 2), f"{times} +- 10%")


def main() -> None:
    """Print all measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--documents", type=int, default=20_000)
    options = parser.parse_args()
    source = options.corpus or corpus()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        signatures(source)
        quality(options.documents, folder)
        whole_jobs(source, folder)
        growth(source, folder)


if __name__ == "__main__":
    main()
