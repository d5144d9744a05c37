"""The rules R1, optionally with MinHash, in datatrove: a script for an environment with datatrove.

    python datatrove_peer.py FOLDER_OF_PARQUET PROCESSES WORK [minhash]

From Parquet to Parquet with the reader, writer and executor of datatrove, one task per process. Prints the seconds from the
end of the imports to the end of the work, and the number of rows written.
"""

import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.filters.c4_filters import C4QualityFilter
from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.logging import logger
from datatrove.utils.word_tokenizers import WhitespaceTokenizer

BUCKETS = 14
FILTERS = (GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter, FineWebQualityFilter)


class StrSplit(WhitespaceTokenizer):  # type: ignore[misc]
    """Words as `str.split`."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words."""
        return text.split()


def rules() -> list[Any]:
    """R1. A text that causes a division by zero in a rule is rejected, as in the FineWeb recipes of datatrove."""
    words = StrSplit()
    return [total(rule)(language=words) for rule in FILTERS]


def total(rule: Any) -> Any:
    """The rule, modified to reject a text that causes a division by zero instead of ending the task."""

    def filter(self: Any, document: Any) -> Any:
        try:
            return rule.filter(self, document)
        except ZeroDivisionError:
            return False, "division_by_zero"

    return type(rule.__name__, (rule,), {"filter": filter, "__module__": rule.__module__})


def work(source: str, processes: int, folder: Path, minhash: bool) -> None:
    """All stages, each as a separate pipeline."""
    out, logs, found = folder / "out", folder / "logs", folder / "minhash"

    def run(name: str, pipeline: list[Any], tasks: int = processes) -> None:
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=min(tasks, processes), logging_dir=str(logs / name), start_method="fork"
        ).run()

    reader, writer = ParquetReader(source, glob_pattern="*.parquet"), ParquetWriter(str(out))
    if not minhash:
        run("rules", [reader, *rules(), writer])
        return
    kept = folder / "kept"
    run("rules", [reader, *rules(), ParquetWriter(str(kept))])
    again = ParquetReader(str(kept), glob_pattern="*.parquet")
    run("signatures", [again, MinhashDedupSignature(str(found / "signatures"), language=StrSplit())])
    run("buckets", [MinhashDedupBuckets(str(found / "signatures"), str(found / "buckets"))], BUCKETS)
    run("clusters", [MinhashDedupCluster(str(found / "buckets"), str(found / "remove"))], 1)
    run("filter", [again, MinhashDedupFilter(str(found / "remove")), writer])


if __name__ == "__main__":
    logger.remove()
    started = time.perf_counter()
    work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), "minhash" in sys.argv[4:])
    seconds = time.perf_counter() - started
    print(seconds, sum(pq.ParquetFile(file).metadata.num_rows for file in (Path(sys.argv[3]) / "out").glob("*.parquet")))
