"""Jobs with text rules, from Parquet to Parquet on all cores, compared with datatrove and polars for the same texts and words.

    python -m benchmarks.text_peers [names of parts] [--largest 16]

datatrove runs in a separate environment on a sample of the corpus, with the same words (separated by whitespace) and with its
own reader, writer and executor, one process per core.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import CACHE, corpus, text_bytes
from benchmarks.engine import CORES, timed
from benchmarks.figures import Figure, alternate, publish

RULES = ("gopherRepetition", "gopherQuality", "c4Quality", "finewebQuality")
Steps = Sequence[dict[str, Any]]
R1: Steps = [{rule: {"tokenizer": "whitespace"}} for rule in RULES]
R1_MINHASH: Steps = [*R1, {"minhashDedup": {"bands": 14, "rows": 8}}]
GOPHER: Steps = [{"gopherQuality": {"tokenizer": "whitespace"}}]
SAMPLE_MB = 40
DATATROVE = ("datatrove==0.10.1", "regex", "nltk", "ftfy", "tokenizers", "xxhash<4", "spacy", "pyarrow", "numpy")


def job_file(source: Path, sink: Path, steps: Steps) -> Path:
    """Write a job from Parquet to Parquet, in the folder of its sink."""
    spec = {
        "sources": [{"parquet": {"paths": [str(source)]}}],
        "steps": list(steps),
        "sink": {"parquet": {"path": str(sink), "mode": "overwrite"}},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "bench"}, "spec": spec}
    path = sink.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(job))
    return path


def run(source: Path, sink: Path, steps: Steps, executor: Any = "ray") -> Any:
    """Run the job and return its report."""
    from datajob.api.loading import load
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions

    return run_job(load(str(job_file(source, sink, steps)))[0], RunOptions(executor=executor, fresh=True))


def steady(source: Path, work: Path, steps: Steps) -> float:
    """Seconds of the job without its startup."""
    report = run(source, work / "out", steps)
    return float(report.seconds - report.startup_seconds)


def sample_of(source: Path, work: Path) -> Path:
    """A folder with about SAMPLE_MB of texts from all parts of the corpus, in one file per core."""
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    place = work / "sample"
    if not place.exists():
        texts = ds.dataset(source).to_table(columns=["text"])
        texts = texts.filter(texts.column("text").is_valid())
        step = max(1, round(texts.nbytes / (SAMPLE_MB * 1e6)))
        place.mkdir()
        for core in range(CORES):
            pq.write_table(texts.take(list(range(core * step, texts.num_rows, CORES * step))), place / f"{core}.parquet")
    return place


def datatrove(sample: Path, work: Path, *options: str) -> tuple[float, float, int]:
    """Seconds of datatrove on all cores, seconds of the complete process, and the rows that it keeps."""
    place = CACHE / DATATROVE[0]
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *DATATROVE], check=True)
    folder = work / "datatrove"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    script = Path(__file__).with_name("datatrove_peer.py")
    command = [str(python), str(script), str(sample), str(CORES), str(folder), *options]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    whole = time.perf_counter() - started
    seconds, rows = done.stdout.split()[-2:]
    return float(seconds), whole, int(rows)


def against_datatrove(source: Path, work: Path) -> list[Figure]:
    """R1, and R1 with MinHash, without startup for the whole corpus; datatrove for the sample."""
    return [
        *compare("R1", R1, (), ">= 80 MB/s, 50 x", source, work),
        *compare("R1 + minhashDedup", R1_MINHASH, ("minhash",), ">= 40 MB/s, 100 x", source, work),
    ]


def compare(name: str, steps: Steps, options: Sequence[str], goal: str, source: Path, work: Path) -> list[Figure]:
    """The speed of the steps compared with datatrove, and the rows of the sample that each keeps."""
    sample = sample_of(source, work)
    wholes: list[float] = []
    kept: list[int] = []

    def theirs() -> float:
        seconds, whole, rows = datatrove(sample, work, *options)
        wholes.append(whole)
        kept.append(rows)
        return seconds

    steady(source, work, steps)  # the first run imports the dependencies of the workers
    mine, other = alternate(3, lambda: steady(source, work, steps), theirs)
    size = text_bytes(sample) / 1e6
    speed, peer, whole = text_bytes(source) / 1e6 / mine, size / other, size / statistics.median(wholes)
    rows = run(sample, work / "out", steps).progress.rows_out
    against = f"datatrove {peer:.2f} MB/s, whole process {whole:.2f} on {size:.0f} MB"
    return [
        Figure(f"{name}, without startup", speed, "MB/s", against, speed / peer, goal),
        Figure(f"{name}, rows kept of the sample", rows, "rows", f"datatrove {kept[-1]} rows", rows / kept[-1], "1"),
    ]


def against_polars(source: Path, work: Path) -> list[Figure]:
    """The quality rules of Gopher only, without startup, both on all cores."""
    import polars as pl

    from benchmarks.polars_rules import gopher_rules

    def theirs() -> float:
        frame = gopher_rules(pl.scan_parquet(f"{source}/*.parquet")).filter("keep").drop("keep")
        return timed(lambda: frame.sink_parquet(work / "polars.parquet"))

    steady(source, work, GOPHER)
    size = text_bytes(source) / 1e6
    mine, other = alternate(3, lambda: steady(source, work, GOPHER), theirs)
    return [
        Figure("gopherQuality, without startup", size / mine, "MB/s", f"polars {size / other:.0f} MB/s", other / mine, ">= 3")
    ]


def whole_process(source: Path, work: Path) -> list[Figure]:
    """The complete process of `datajob run`, including the start of Ray."""
    job = job_file(source, work / "out", R1)
    command = [str(Path(sys.executable).with_name("datajob")), "run", str(job), "--fresh"]

    def seconds(*options: str) -> Callable[[], float]:
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return lambda: timed(lambda: subprocess.run([*command, *options], **quiet))  # type: ignore[call-overload]

    size = text_bytes(source) / 1e6
    auto, on_ray = alternate(3, seconds(), seconds("--executor", "ray"))
    return [
        Figure("datajob run of R1, whole process", auto, "s", f"{size:.0f} MB, {size / auto:.0f} MB/s", goal="<= 25"),
        Figure(
            "datajob run of R1 on Ray, whole process", on_ray, "s", f"{size:.0f} MB, {size / on_ray:.0f} MB/s", goal="<= 25"
        ),
    ]


def growth(source: Path, work: Path, largest: int) -> list[Figure]:
    """R1 for multiples of the corpus. `dedup_minhash` measures the growth of minhashDedup."""
    seconds: dict[int, float] = {}
    memory: dict[int, float] = {}
    for times in (t for t in (1, 4, 16) if t <= largest):
        folder = work / f"times-{times}"
        folder.mkdir()
        for copy in range(times):
            for file in source.glob("*.parquet"):
                (folder / f"{copy:02}-{file.name}").symlink_to(file.resolve())
        if times == 1:
            steady(folder, work, R1)
        seconds[times] = min(steady(folder, work, R1) for _ in range(3 if times < 16 else 1))
        memory[times] = worker_memory()
    return [
        figure
        for t, s in seconds.items()
        if t > 1
        for figure in (
            Figure(f"R1 on {t} x the rows", s, "s", f"{seconds[1]:.1f} s for 1 x", s / seconds[1], f"{t} +- 10%"),
            Figure("peak memory of a worker", memory[t], "MB", f"{memory[1]:.0f} MB for 1 x", memory[t] / memory[1], "1"),
        )
    ]


def worker_memory() -> float:
    """The peak memory (MB) of any Ray worker."""
    import psutil

    peaks = [0.0]
    for worker in psutil.Process().children(recursive=True):
        with suppress(psutil.Error, OSError):
            status = Path(f"/proc/{worker.pid}/status").read_text()
            if worker.name().startswith("ray::"):
                peaks.append(int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1e3)
    return max(peaks)


def main() -> None:
    """Measure and print."""
    from datajob.engine.executors.ray_data import RayExecutor

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("whole_process", "against_datatrove", "against_polars", "growth")
    parser.add_argument("parts", nargs="*", default=[], help=f"{', '.join(parts)}; default: all")
    parser.add_argument("--largest", type=int, default=16, help="maximum multiple of the corpus for `growth`")
    options = parser.parse_args()
    chosen, source, figures = options.parts or parts, corpus(), list[Figure]()
    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as folder:
        work = Path(folder)
        if "whole_process" in chosen:
            figures += whole_process(source, work)
        ray = RayExecutor()
        try:
            figures += against_datatrove(source, work) if "against_datatrove" in chosen else []
            figures += against_polars(source, work) if "against_polars" in chosen else []
            figures += growth(source, work, options.largest) if "growth" in chosen else []
        finally:
            ray.close()
    publish(figures)


if __name__ == "__main__":
    main()
