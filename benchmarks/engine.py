"""The engine compared with polars and a plain Ray Data script: throughput, startup, memory, commit records, small files."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.data import corpus, text_bytes
from benchmarks.figures import Figure, alternate, publish

CORES = len(os.sched_getaffinity(0))
EXAMPLE = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: bench}}
spec:
  sources: [{{parquet: {{paths: ["{source}"]}}}}]
  steps:
  - compute: {{columns: {{text_length: "length(text)"}}}}
  - filter: {{where: "text_length > 50"}}
  sink: {{parquet: {{path: "{sink}", mode: overwrite}}}}
"""
POLARS = """
import sys, polars as pl
pl.scan_parquet(sys.argv[1] + "/*.parquet").with_columns(text_length=pl.col("text").str.len_chars()).filter(
    pl.col("text_length") > 50).sink_parquet(sys.argv[2])
"""
BARE_RAY = """
import sys, ray
ray.init(include_dashboard=False, log_to_driver=False)
import ray.data
ray.data.read_parquet(sys.argv[1]).write_parquet(sys.argv[2])
"""


def timed(call: Callable[[], object]) -> float:
    """Duration of a call in seconds."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def polars_seconds(source: Path, work: Path) -> float:
    """The example in polars on all cores, without imports."""
    import polars as pl

    frame = pl.scan_parquet(f"{source}/*.parquet").with_columns(text_length=pl.col("text").str.len_chars())
    return timed(lambda: frame.filter(pl.col("text_length") > 50).sink_parquet(work / "polars.parquet"))


def run_example(source: Path, sink: Path, executor: str) -> Any:
    """Run the example as a DataJob and return its report."""
    from datajob.api.loading import load
    from datajob.engine.driver import run_job
    from datajob.engine.options import RunOptions

    job = sink.parent / "job.yaml"
    job.write_text(EXAMPLE.format(source=source, sink=sink))
    return run_job(load(str(job))[0], RunOptions(executor=executor, fresh=True))  # type: ignore[arg-type]


def throughput(source: Path, work: Path) -> list[Figure]:
    """Throughput without the start of Ray, compared with polars on the same cores in the same run."""
    from datajob.engine.executors.ray_data import RayExecutor

    size = text_bytes(source) / 1e6
    ray = RayExecutor()
    try:
        run_example(source, work / "out", "ray")  # the first run imports the dependencies of the workers
        reports: list[Any] = []

        def ours() -> float:
            report = run_example(source, work / "out", "ray")
            reports.append(report)
            return float(report.seconds - report.startup_seconds)

        mine, theirs = alternate(5, ours, lambda: polars_seconds(source, work))
    finally:
        ray.close()
    return [
        Figure("example, without startup", size / mine, "MB/s", f"polars {size / theirs:.0f} MB/s", theirs / mine, ">= 0.7"),
        Figure("startup of the example with Ray running", reports[-1].startup_seconds, "s"),
    ]


def one_core(source: Path, work: Path) -> list[Figure]:
    """The engine in one process without Ray, compared with polars on one thread: CPU seconds of complete processes."""
    job = work / "job.yaml"
    job.write_text(EXAMPLE.format(source=source, sink=work / "out"))
    ours = [str(Path(sys.executable).with_name("datajob")), "run", str(job), "--fresh", "--executor", "local"]
    theirs = [sys.executable, "-c", POLARS, str(source), str(work / "polars.parquet")]
    mine, other = alternate(3, lambda: cpu_seconds(ours), lambda: cpu_seconds(theirs, POLARS_MAX_THREADS="1"))
    return [Figure("example in one process", mine, "cpu s", f"polars on one thread {other:.2f} s", other / mine, ">= 0.7")]


def cpu_seconds(command: list[str], **environment: str) -> float:
    """CPU seconds of a process and its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **environment})
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def small_job(source: Path, work: Path) -> list[Figure]:
    """Complete processes on 1 MB: the command with default options and on Ray, compared with a plain Ray Data script."""
    import pyarrow.parquet as pq

    small = work / "small"
    small.mkdir()
    table = pq.read_table(next(iter(sorted(source.glob("*.parquet")))))
    rows = max(1, int(table.num_rows * 1e6 / table.nbytes))
    pq.write_table(table.slice(0, rows), small / "small.parquet")
    job = work / "small.yaml"
    job.write_text(EXAMPLE.format(source=small, sink=work / "small-out"))
    datajob = str(Path(sys.executable).with_name("datajob"))

    def process(*command: str) -> Callable[[], float]:
        return lambda: timed(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def bare() -> float:
        shutil.rmtree(work / "bare", ignore_errors=True)
        return process(sys.executable, "-c", BARE_RAY, str(small), str(work / "bare"))()

    auto, on_ray, script, check, usage = alternate(
        3,
        process(datajob, "run", str(job), "--fresh"),
        process(datajob, "run", str(job), "--fresh", "--executor", "ray"),
        bare,
        process(datajob, "validate", str(job)),
        process(datajob, "--help"),
    )
    return [
        Figure("datajob run, 1 MB", auto, "s", f"plain Ray Data script {script:.1f} s", auto / script, "<= 1.2"),
        Figure("datajob run, 1 MB, on Ray", on_ray, "s", f"plain Ray Data script {script:.1f} s", on_ray / script, "<= 1.2"),
        Figure("datajob validate", check, "s", goal="<= 0.5"),
        Figure("datajob --help", usage, "s", goal="<= 0.5"),
    ]


def memory(source: Path, work: Path) -> list[Figure]:
    """Peak memory of driver and workers (proportional set size), for the corpus and for four times the corpus."""
    found = []
    for times in (1, 4):
        folder = work / f"memory-{times}"
        folder.mkdir()
        for copy in range(times):
            for file in source.glob("*.parquet"):
                (folder / f"{copy}-{file.name}").symlink_to(file.resolve())
        job = work / "memory.yaml"
        job.write_text(EXAMPLE.format(source=folder, sink=work / "memory-out"))
        found.append(
            peak_memory([str(Path(sys.executable).with_name("datajob")), "run", str(job), "--fresh", "--executor", "ray"])
        )
    return [
        Figure("peak memory of driver and workers", found[0] / 1e9, "GB", goal="<= 1.5"),
        Figure(
            "peak memory with four times the input",
            found[1] / 1e9,
            "GB",
            f"{found[0] / 1e9:.2f} GB",
            found[1] / found[0],
            "<= 1.5 GB",
        ),
    ]


def peak_memory(command: list[str]) -> float:
    """Maximum sum of the proportional set sizes of a command and its Ray workers, sampled; without the services of Ray."""
    import psutil

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        total = 0.0
        for p in [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]:
            try:
                if p.pid == process.pid or p.name().startswith("ray::"):
                    total += p.memory_full_info().pss
            except psutil.Error:
                continue
        peak = max(peak, total)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{command} failed")
    return peak


def bookkeeping(source: Path, work: Path) -> list[Figure]:
    """Share of a run in one process that is spent on commit records and state."""
    from datajob.engine.commit.ledger import Ledger
    from datajob.engine.commit.run_state import RunState

    spent = 0.0
    originals = [(Ledger, "commit"), (Ledger, "load"), (RunState, "save")]

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any) -> Any:
            nonlocal spent
            started = time.perf_counter()
            try:
                return call(*args)
            finally:
                spent += time.perf_counter() - started

        return wrapper

    for owner, name in originals:
        setattr(owner, name, counted(getattr(owner, name)))
    total = timed(lambda: run_example(source, work / "out", "local"))
    return [Figure("overhead of commit records", 100 * spent / total, "%", f"a run of {total:.1f} s", spent / total, "<= 3%")]


def small_files(source: Path, work: Path) -> list[Figure]:
    """10,000 small files compared with the same rows in 100 files, in one process."""
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    table = ds.dataset(source).to_table()
    for count in (100, 10_000):
        folder = work / f"files-{count}"
        folder.mkdir()
        rows = table.num_rows // count
        for number in range(count):
            pq.write_table(table.slice(number * rows, rows), folder / f"{number:05}.parquet")

    def seconds(count: int) -> float:
        started = time.process_time()
        run_example(work / f"files-{count}", work / "out", "local")
        return time.process_time() - started

    few, many = alternate(3, lambda: seconds(100), lambda: seconds(10_000))
    return [Figure("10,000 small files", many, "cpu s", f"the same rows in 100 files {few:.2f} s", many / few, "<= 2")]


def main() -> None:
    """Measure and print."""
    assert threading.current_thread() is threading.main_thread()
    source = corpus()
    figures: list[Figure] = []
    chosen = sys.argv[1:]
    for part in (one_core, throughput, small_job, memory, small_files, bookkeeping):
        if chosen and part.__name__ not in chosen:
            continue
        with tempfile.TemporaryDirectory(prefix="datajob-bench-") as folder:
            figures += part(source, Path(folder))
    publish(figures)


if __name__ == "__main__":
    main()
