"""WARC to texts that pass R1 in datatrove: a script for an environment with datatrove.

    python warc_peer.py FOLDER_OF_WARC PROCESSES WORK

Prints the seconds from the end of the imports to the end of the work, and the number of rows written.
"""

import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers import ParquetWriter
from datatrove.utils.logging import logger

from benchmarks.datatrove_peer import rules

if __name__ == "__main__":
    logger.remove()
    source, processes, work = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    started = time.perf_counter()
    pipeline = [
        WarcReader(source, glob_pattern="*.warc.gz"),
        Trafilatura(favour_precision=True, timeout=60, deduplicate=False),
        *rules(),
        ParquetWriter(str(work / "out")),
    ]
    LocalPipelineExecutor(
        pipeline, tasks=processes, workers=processes, logging_dir=str(work / "logs"), start_method="fork"
    ).run()
    seconds = time.perf_counter() - started
    print(seconds, sum(pq.ParquetFile(file).metadata.num_rows for file in (work / "out").glob("*.parquet")))
