"""The rules R1, and MinHash after them, as datatrove does them: a script for an environment that has datatrove.

    python datatrove_peer.py TEXTS.parquet PROCESSES FOLDER [minhash]

Prints the seconds from the end of the imports to the end of the work, reading included, and the rows kept.
"""

import multiprocessing
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datatrove.data import Document
from datatrove.pipeline.dedup.minhash import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.filters.c4_filters import C4QualityFilter
from datatrove.pipeline.filters.fineweb_quality_filter import FineWebQualityFilter
from datatrove.pipeline.filters.gopher_quality_filter import GopherQualityFilter
from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
from datatrove.utils.logging import logger
from datatrove.utils.word_tokenizers import WhitespaceTokenizer

BUCKETS = 14


class StrSplit(WhitespaceTokenizer):  # type: ignore[misc]
    """Words as `str.split`."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words."""
        return text.split()


def keeps(rule: Any, document: Document) -> bool:
    """What datatrove's executor makes of a filter's answer; a text that it cannot decide goes."""
    try:
        return rule.filter(document) is True
    except ZeroDivisionError:
        return False


def filtered(arguments: tuple[str, int, int, Path, bool]) -> int:
    """Each n-th text through the rules; returns how many stay. With `minhash`, also writes their signatures."""
    source, rank, processes, folder, minhash = arguments
    words = StrSplit()
    rules = [
        rule(language=words) for rule in (GopherRepetitionFilter, GopherQualityFilter, C4QualityFilter, FineWebQualityFilter)
    ]
    texts = pq.read_table(source).column("text").to_pylist()[rank::processes]
    documents = (Document(text=text, id=str(number)) for number, text in enumerate(texts))
    kept = [document for document in documents if all(keeps(rule, document) for rule in rules)]
    (folder / f"{rank}.kept").write_bytes(pickle.dumps(kept))
    if minhash:
        MinhashDedupSignature(str(folder / "signatures"), language=words).run(kept, rank, processes)
    return len(kept)


def duplicates_in_bucket(arguments: tuple[Path, int]) -> None:
    """The pairs of one bucket."""
    folder, bucket = arguments
    MinhashDedupBuckets(str(folder / "signatures"), str(folder / "pairs")).run(None, bucket, BUCKETS)


def without_duplicates(arguments: tuple[Path, int]) -> int:
    """How many of the kept texts of a rank stay."""
    folder, rank = arguments
    kept = pickle.loads((folder / f"{rank}.kept").read_bytes())
    return sum(1 for _ in MinhashDedupFilter(str(folder / "remove")).run(kept, rank))


def work(source: str, processes: int, folder: Path, minhash: bool) -> int:
    """All stages; the rows kept."""
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        kept = pool.map(filtered, [(source, rank, processes, folder, minhash) for rank in range(processes)], 1)
        if minhash:
            pool.map(duplicates_in_bucket, [(folder, bucket) for bucket in range(BUCKETS)], 1)
            MinhashDedupCluster(str(folder / "pairs"), str(folder / "remove")).run(None, 0, 1)
            kept = pool.map(without_duplicates, [(folder, rank) for rank in range(processes)], 1)
    return sum(kept)


if __name__ == "__main__":
    logger.remove()
    started = time.perf_counter()
    rows = work(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), "minhash" in sys.argv[4:])
    print(time.perf_counter() - started, rows)
