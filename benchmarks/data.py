"""The corpora of the benchmarks, built once by benchmarks.corpus and kept in the cache of the user."""

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "datajob" / "bench"


def corpus(megabytes: int = 300, form: str = "parquet", files: int = 20) -> Path:
    """A folder with about `megabytes` of real text. Set DATAJOB_BENCH_CORPUS to use an existing folder."""
    ready = os.environ.get("DATAJOB_BENCH_CORPUS")
    if ready and form == "parquet":
        return Path(ready)
    place = CACHE / f"corpus-{megabytes}-{form}-{files}"
    if not place.exists():
        building = place.with_name(place.name + ".building")
        command = [sys.executable, "-m", "benchmarks.corpus", "--size", f"{megabytes}MB", "--out", str(building)]
        subprocess.run([*command, "--format", form, "--files", str(files)], check=True)
        building.rename(place)
    return place


def text_bytes(folder: Path) -> int:
    """UTF-8 bytes of the column `text` of a Parquet folder."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    table = ds.dataset(folder).to_table(columns=["text"])
    return int(pc.sum(pc.binary_length(table.column("text"))).as_py())
