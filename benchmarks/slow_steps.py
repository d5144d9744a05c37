"""A function that takes 0.15 s per 400 rows, on 60,000 rows in 30 files of 400 kB: duration, and work lost by kills."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, alternate, publish

FILES, ROWS = 30, 2000
CALLED, SECONDS = 400, 0.15
KILLS = 10
FUNCTION = f"""
import os, time

def slow(frame):
    end = time.perf_counter() + {SECONDS} * len(frame) / {CALLED}
    while time.perf_counter() < end:
        sum(range(1000))
    with open(os.path.join(os.path.dirname(__file__), "calls", str(os.getpid())), "a") as log:
        log.write(f"{{len(frame)}}\\n")
    frame["length"] = frame["text"].str.len()
    return frame
"""
JOB = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: bench}}
spec:
  sources: [{{parquet: {{paths: ["{folder}/in"]}}}}]
  steps:
  - mapBatches: {{function: "slow:slow"}}
  sink: {{parquet: {{path: "{folder}/out", mode: overwrite}}}}
"""


def prepare(folder: Path) -> None:
    """Write the input, the function and the job."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = random.Random(1)
    for sub in ("in", "calls"):
        (folder / sub).mkdir()
    for file in range(FILES):
        texts = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz ", k=195)) for _ in range(ROWS)]
        table = pa.table({"id": range(file * ROWS, (file + 1) * ROWS), "text": texts})
        pq.write_table(table, folder / "in" / f"{file:02}.parquet", compression="none", use_dictionary=False)
    (folder / "slow.py").write_text(FUNCTION)
    (folder / "job.yaml").write_text(JOB.format(folder=folder))


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [str(Path(sys.executable).with_name("datajob")), "run", str(folder / "job.yaml"), "--quiet", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def seconds(folder: Path, executor: str) -> float:
    """Duration of the whole command."""
    began = time.perf_counter()
    if start(folder, "--fresh", "--executor", executor).wait():
        raise SystemExit("the run failed")
    return time.perf_counter() - began


def called_rows(folder: Path) -> int:
    """Rows that the function has processed so far."""
    return sum(int(line) for file in (folder / "calls").iterdir() for line in file.read_text().split())


def stored_rows(folder: Path) -> int:
    """Rows whose results are in checkpoints."""
    from datajob.engine.worker.checkpoints import CHECKPOINTS, covered_rows

    stored: dict[Path, dict[int, int]] = {}
    for file in (folder / "out" / CHECKPOINTS).rglob("*.arrow"):
        first, last = map(int, file.stem.split("-"))
        ranges = stored.setdefault(file.parent, {})
        ranges[first] = max(last, ranges.get(first, 0))
    return sum(map(covered_rows, stored.values()))


def lost_seconds(folder: Path) -> list[float]:
    """Work that each kill loses: a run is killed KILLS times, at random moments of its work."""
    chance = random.Random(2)
    lost: list[float] = []
    while len(lost) < KILLS:
        called, stored = called_rows(folder), stored_rows(folder)
        target = called + chance.randint(CALLED, FILES * ROWS // 5)
        process = start(folder, *([] if lost else ["--fresh"]))
        while process.poll() is None and called_rows(folder) < target:
            time.sleep(0.01)
        process.kill()
        if process.wait() == 0:  # the next run begins again
            shutil.rmtree(folder / "out")
            continue
        time.sleep(1)  # its processes end when they notice that it is gone
        lost.append((called_rows(folder) - called - (stored_rows(folder) - stored)) * SECONDS / CALLED)
    return lost


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as name:
        folder = Path(name)
        prepare(folder)
        ours, single = alternate(3, lambda: seconds(folder, "auto"), lambda: seconds(folder, "local"))
        lost = lost_seconds(folder)
    cores = len(os.sched_getaffinity(0))
    publish(
        [
            Figure(f"slow function, {cores} cores", ours, "s", f"one process {single:.1f} s", single / ours, ">= 1.7"),
            Figure("work lost by a kill, maximum", max(lost), "s", f"{KILLS} kills", goal="<= 5"),
            Figure("work lost by a kill, average", sum(lost) / KILLS, "s", f"{KILLS} kills"),
        ]
    )


if __name__ == "__main__":
    main()
