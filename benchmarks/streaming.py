"""Streaming between CPU steps and models, with simulated devices: `make bench-streaming`.

Ray is told of GPUs that do not exist, and the model occupies one for m ms per row without using the CPU. Prints throughput
compared with min(cores / c, devices / m), the busy share of the devices, wall time and memory: for this version, for an
earlier one (`--before REF`), and for a hand-written Ray Data pipeline.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, publish

ROOT = Path(__file__).parent.parent
BEFORE = "6d18784"
"""The last version that ran the whole stage inside the actors of its model."""
FILES = 30
PAYLOAD = 10_000
"""Bytes of incompressible data per row."""
DEADLINE = 600.0


@dataclass(frozen=True)
class Mix:
    """A ratio of CPU and device time."""

    name: str
    devices: int
    cpu: float
    """Milliseconds of CPU per row."""
    device: float
    """Milliseconds of a device per row."""
    rows: int

    def ceiling(self, cores: float) -> float:
        """The highest possible rows per second."""
        return min(cores * 1000 / self.cpu, self.devices * 1000 / self.device)


MIXES = (
    Mix("CPU-bound, 1 device", 1, 20.0, 5.0, 1600),
    Mix("CPU-bound, 2 devices", 2, 20.0, 5.0, 1600),
    Mix("balanced, 2 devices", 2, 20.0, 20.0, 1600),
    Mix("device-bound, 2 devices", 2, 5.0, 25.0, 1600),
    Mix("device-bound, 8 devices", 8, 5.0, 40.0, 3200),
)

CLUSTER = Mix("six machines with a core, two with four devices", 8, 3.0, 80.0, 2400)
FAST = Mix("ten times the rows", 2, 0.1, 1.0, 12000)
"""For the comparison of memory with ten times the rows."""
FAST_PAYLOAD = 3_000


@dataclass
class Watch:
    """Memory and CPU time of a process and its descendants, sampled while it runs."""

    session: int
    peak: dict[str, float] = field(default_factory=dict)
    """Megabytes of private memory, by kind of process."""
    cpu: dict[int, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Take one sample."""
        import psutil

        for process in psutil.process_iter(["pid", "cmdline"]):
            try:
                if os.getsid(process.pid) != self.session:
                    continue
                times = process.cpu_times()
                self.cpu[process.pid] = times.user + times.system
                name = kind_of(process.info["cmdline"] or [""])
                memory = process.memory_info()  # the private memory of `memory_full_info` is exact, but costs a second here
                self.peak[name] = max(self.peak.get(name, 0.0), (memory.rss - memory.shared) / 1e6)
            except (psutil.Error, OSError):
                continue


def kind_of(command: list[str]) -> str:
    """The kind of a process, from its command line."""
    text = " ".join(command)
    if text.startswith("ray::"):
        return text.split()[0].removeprefix("ray::").split(".")[0].split("(")[0]
    return "driver" if "streaming_contenders" in text else "ray"


def run(contender: str, mix: Mix, source: Path, work: Path, cores: int, package: Path | None) -> dict[str, Any]:
    """Run a contender in a separate session, and measure it."""
    import psutil

    options = {
        "contender": contender, "input": str(source), "output": str(work / "out"), "log": str(work / "log"),
        "devices": mix.devices, "cpu": mix.cpu, "device": mix.device, "cores": cores,
    }  # fmt: skip
    path = os.pathsep.join(str(p) for p in (package or ROOT / "workloads", ROOT))
    environment = {**os.environ, "PYTHONPATH": path, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    began, idle = time.time(), psutil.cpu_times()
    command = [sys.executable, "-m", "benchmarks.streaming_contenders", json.dumps(options)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=(work / "log.txt").open("w"), env=environment, cwd=ROOT, start_new_session=True
    )
    watch = Watch(process.pid)
    while process.poll() is None:
        assert time.time() - began < DEADLINE, f"{contender} does not end: {work / 'log.txt'}"
        watch.sample()
        time.sleep(0.5)
    wall = time.time() - began
    assert process.returncode == 0 and process.stdout is not None, (work / "log.txt").read_text()[-3000:]
    used, after = sum(watch.cpu.values()), psutil.cpu_times()
    others = max(0.0, (after.user + after.system + after.nice) - (idle.user + idle.system + idle.nice) - used)
    found = json.loads(process.stdout.read().splitlines()[-1])
    return {
        **steady(work / "log", mix), "wall": wall, "first": first_call(work / "log") - began, "others": others / wall,
        "objectStore": found.get("objectStore", 0) / 1e6, "peak": watch.peak, "rows": rows_in(work / "out"), "used": used,
    }  # fmt: skip


def calls(log: Path) -> list[tuple[float, float, int]]:
    """Begin, end and rows of each call of a device, ordered by end."""
    lines = [line.split() for file in log.glob("*.log") for line in file.read_text().splitlines()]
    return sorted(((float(a), float(b), int(n)) for a, b, n in lines), key=lambda call: call[1])


def first_call(log: Path) -> float:
    """When the first call ended."""
    return calls(log)[0][1]


def steady(log: Path, mix: Mix) -> dict[str, float]:
    """The rate and the busy share of the devices in steady state: without the first and last tenth of the rows.

    `rate` is that of all rows, from the first CPU step on: a pipeline can prepare rows long before their model runs.
    """
    found = calls(log)
    total, passed = sum(n for *_, n in found), 0
    inner: list[tuple[float, int]] = []
    for _, end, rows in found:
        passed += rows
        if total * 0.1 <= passed <= total * 0.9:
            inner.append((end, passed))
    (start, first), (stop, last) = inner[0], inner[-1]
    busy = sum(max(0.0, min(b, stop) - max(a, start)) for a, b, _ in found)
    seconds = found[-1][1] - float((log / "began").read_text())
    return {"rate": total / seconds, "steady": (last - first) / (stop - start), "busy": busy / (stop - start) / mix.devices}


def rows_in(folder: Path) -> int:
    """The number of rows written."""
    import pyarrow.parquet as pq

    return sum(pq.ParquetFile(file).metadata.num_rows for file in folder.rglob("*.parquet"))


def write_input(folder: Path, rows: int, files: int = FILES, payload: int = PAYLOAD) -> Path:
    """Parquet files of rows with an ID and incompressible bytes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    random = np.random.default_rng(1)
    size = -(-rows // files)
    for part in range(files):
        ids = range(part * size, min(rows, (part + 1) * size))
        data = [random.bytes(payload) for _ in ids]
        pq.write_table(pa.table({"id": list(ids), "data": data}), folder / f"in-{part:04}.parquet")
    return folder


def earlier(ref: str, folder: Path) -> Path | None:
    """The package at an earlier commit; None if it is not in this clone."""
    archive = subprocess.run(["git", "archive", ref, "workloads"], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        return None
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder / "workloads"


def compare(mix: Mix, work: Path, cores: int, before: Path | None, only: str | None) -> list[Figure]:
    """Measure all contenders one after the other."""
    source = write_input(work / "in", mix.rows)
    contenders = {"before": ("engine", before), "Ray Data": ("rayData", None), "ours": ("engine", None)}
    if before is None:
        del contenders["before"]
    found: dict[str, dict[str, Any]] = {}
    for name, (contender, package) in contenders.items():
        if only is not None and name not in ("ours", only):
            continue
        (folder := work / name.replace(" ", "-")).mkdir()
        found[name] = m = run(contender, mix, source, folder, cores, package)
        assert m["rows"] == mix.rows, f"{name}: {m['rows']} rows of {mix.rows}"
        free = max(0.1, cores - m["others"])
        print(
            f"{mix.name} | {name}: {m['rate']:.1f} rows/s, at the devices {m['steady']:.1f} in steady state "
            f"of {mix.ceiling(cores):.0f} ({mix.ceiling(free):.0f} with the "
            f"{free:.2f} cores that other processes left), devices {m['busy']:.1%} busy, first call {m['first']:.1f} s, "
            f"process {m['wall']:.1f} s, {m['used']:.0f} s of CPU time ({mix.rows * mix.cpu / 1000:.0f} s in the step), "
            f"object store {m['objectStore']:.0f} MB, " + ", ".join(f"{k} {v:.0f} MB" for k, v in sorted(m["peak"].items())),
            flush=True,
        )
    return figures(mix, cores, found)


def busy_cluster(work: Path) -> list[Figure]:
    """The devices of a simulated cluster of eight machines, which share the cores of this one."""
    work.mkdir()
    m = run("cluster", CLUSTER, write_input(work / "in", CLUSTER.rows), work, 8, None)
    assert m["rows"] == CLUSTER.rows, f"{m['rows']} rows of {CLUSTER.rows}"
    return [
        Figure(f"{CLUSTER.name}: steady", m["steady"], "rows/s", "devices: 100", m["steady"] / 100, ">= 0.9"),
        Figure(f"{CLUSTER.name}: devices busy", m["busy"] * 100, "%", "", None, ">= 90"),
    ]


def ten_times(work: Path, cores: int) -> list[Figure]:
    """The peak memory of each kind of process, compared with that for a tenth of the rows, in a tenth of the files."""
    found: list[dict[str, float]] = []
    for factor in (1, 10):
        rows = factor * FAST.rows
        (folder := work / str(rows)).mkdir(parents=True)
        source = write_input(folder / "in", rows, factor * FILES, FAST_PAYLOAD)
        m = run("engine", replace(FAST, rows=rows), source, folder, cores, None)
        assert m["rows"] == rows, f"{m['rows']} rows of {rows}"
        peaks = {kind: m["peak"][kind] for kind in ("driver", "_ShardWorker", "_ModelActor")}
        found.append({"object store": m["objectStore"], **peaks})
    few, many = found
    return [
        Figure(f"{FAST.name}: {kind}", many[kind], "MB", f"{few[kind]:.0f}", many[kind] / max(1.0, few[kind]), "<= 1.1")
        for kind in few
    ]


def figures(mix: Mix, cores: int, found: dict[str, dict[str, Any]]) -> list[Figure]:
    """This version compared with the ceiling and with the others."""
    ours = found["ours"]
    free = max(0.1, cores - ours["others"])
    limit = mix.ceiling(free)
    out = [Figure(f"{mix.name}: steady", ours["steady"], "rows/s", f"ceiling: {limit:.1f}", ours["steady"] / limit, ">= 0.9")]
    if free * 1000 / mix.cpu >= mix.devices * 1000 / mix.device:
        out.append(Figure(f"{mix.name}: devices busy", ours["busy"] * 100, "%", "", None, ">= 95"))
    for name, other in found.items():
        if other is not ours:
            versus = f"{name}: {other['rate']:.1f}", ours["rate"] / other["rate"], ">= 1"
            out.append(Figure(f"{mix.name}: rate", ours["rate"], "rows/s", *versus))
            versus = f"{name}: {other['wall']:.1f}", other["wall"] / ours["wall"], "> 1"
            out.append(Figure(f"{mix.name}: process", ours["wall"], "s", *versus))
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--before", default=BEFORE, help="commit of the earlier version; empty: none")
    parser.add_argument("--only", choices=["before", "Ray Data", "none"], help="compare with this contender alone")
    parser.add_argument("--mix", type=int, help="measure only this mix; 5: memory; 6: a cluster")
    parser.add_argument("--scale", type=float, default=1.0, help="factor of the number of rows")
    parser.add_argument("--cores", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args()
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="datajob-streaming-") as folder:
        before = earlier(arguments.before, Path(folder, "before")) if arguments.before else None
        for number, mix in enumerate(MIXES):
            if arguments.mix is None or arguments.mix == number:
                (work := Path(folder, str(number))).mkdir()
                mix = Mix(mix.name, mix.devices, mix.cpu, mix.device, int(mix.rows * arguments.scale))
                found += compare(mix, work, arguments.cores, before, arguments.only)
        if arguments.mix in (None, len(MIXES)):
            found += ten_times(Path(folder, "memory"), arguments.cores)
        if arguments.mix in (None, len(MIXES) + 1):
            found += busy_cluster(Path(folder, "cluster"))
    publish(found)


if __name__ == "__main__":
    main()
