"""Data-Juicer in a separate environment: the same rules for the same files, its speed, memory and decisions."""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.data import CACHE
from benchmarks.engine import CORES
from benchmarks.figures import Figure

PACKAGE = "py-data-juicer==1.6.1"
FILES = 8
Steps = list[dict[str, Any]]
Rules = dict[str, tuple[Steps, Steps, str]]
"""Steps of Data-Juicer, our steps, and the goal of the ratio, by the name of the comparison."""


def compare(python: Path, work: Path, names: tuple[str, str], rules: Rules, runs: int) -> list[Figure]:
    """Complete processes in turns, both from JSON Lines with paths to JSON Lines, on all cores.

    `work` contains the input of both tools, as `write_lists` writes it; `names` are our column of media and theirs.
    """
    figures, count = list[Figure](), sum(1 for _ in (work / "theirs.jsonl").open())
    for name, (theirs, ours, goal) in rules.items():
        mine, other, kept = [], [], (set[str](), set[str]())
        for _ in range(runs):
            mine.append(measured(datajob(work, ours)))
            other.append(measured(data_juicer(python, work, theirs)))
            kept = survivors(work / "out", names[0]), survivors(work / "theirs", names[1])
        whole = statistics.median(b[0] / a[0] for a, b in zip(mine, other, strict=True))
        memory = statistics.median(b[1] / a[1] for a, b in zip(mine, other, strict=True))
        steps = statistics.median(b[2] / a[0] for a, b in zip(mine, other, strict=True))
        middle = [[statistics.median(values) for values in zip(*side, strict=True)] for side in (mine, other)]
        same = count - len(kept[0] ^ kept[1])
        figures += [
            Figure(f"{name}, whole process", middle[0][0], "s", f"Data-Juicer {middle[1][0]:.1f} s", whole, goal),
            Figure(f"{name}, our process and their steps", middle[0][0], "s", f"Data-Juicer {middle[1][2]:.1f} s", steps),
            Figure(f"{name}, peak memory", middle[0][1], "MB", f"Data-Juicer {middle[1][1]:.0f} MB", memory, ">= 2"),
            Figure(f"{name}, equal decisions", same, "files", f"of {count}; kept {len(kept[0])} and {len(kept[1])}"),
        ]
    return figures


def environment(name: str, *packages: str) -> Path:
    """The interpreter of an environment with Data-Juicer and the packages that its operators import, created once."""
    place = CACHE / f"{PACKAGE}-{name}"
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), PACKAGE, *packages], check=True)
        (place / "ready").touch()
    return python


def write_lists(paths: list[str], names: tuple[str, str], work: Path) -> None:
    """The input of both tools: a list per shard with our column, and one list with theirs."""
    (work / "ours").mkdir()
    for number in range(FILES):
        some = paths[number * len(paths) // FILES : (number + 1) * len(paths) // FILES]
        (work / "ours" / f"{number}.jsonl").write_text("".join(json.dumps({names[0]: path}) + "\n" for path in some))
    (work / "theirs.jsonl").write_text("".join(json.dumps({"text": "", names[1]: [path]}) + "\n" for path in paths))


def datajob(work: Path, steps: Steps) -> list[str]:
    """The command for our job."""
    spec = {
        "sources": [{"json": {"paths": [str(work / "ours")]}}],
        "steps": steps,
        "sink": {"json": {"path": str(work / "out"), "mode": "overwrite", "media": "copy"}},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "bench"}, "spec": spec}
    (work / "ours.yaml").write_text(yaml.safe_dump(job))
    return [str(Path(sys.executable).with_name("datajob")), "run", str(work / "ours.yaml"), "--fresh"]


def data_juicer(python: Path, work: Path, steps: Steps) -> list[str]:
    """The command for theirs."""
    shutil.rmtree(work / "theirs", ignore_errors=True)
    config = {
        "project_name": "bench", "dataset_path": str(work / "theirs.jsonl"), "np": CORES, "use_cache": False,
        "export_path": str(work / "theirs" / "out.jsonl"), "process": steps,
    }  # fmt: skip
    (work / "theirs.yaml").write_text(yaml.safe_dump(config))
    return [str(python.with_name("dj-process")), "--config", str(work / "theirs.yaml")]


def measured(command: list[str]) -> tuple[float, float, float]:
    """Seconds of a process, the peak memory (MB) of it and its children, and its seconds without startup."""
    import psutil

    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        peak, ended = [0.0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.1):
                try:
                    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
                    peak[0] = max(peak[0], sum(one.memory_full_info().pss for one in tree) / 1e6)
                except psutil.Error:
                    continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        output, _ = process.communicate()
        ended.set()
        watcher.join()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {output[-2000:]}")
    return seconds, peak[0], _without_startup(output, seconds)


def _without_startup(output: str, seconds: float) -> float:
    """What a tool reports as the duration of its steps; otherwise, that of the process."""
    found = re.findall(r"All OPs are done in ([\d.]+)s", output)
    return float(found[-1]) if found else seconds


def survivors(folder: Path, column: str) -> set[str]:
    """The names of the files that a tool has kept."""
    rows = (json.loads(line) for path in folder.rglob("*.jsonl") if "stats" not in path.name for line in path.open())
    paths = (row[column] for row in rows if column in row)
    return {Path(path[0] if isinstance(path, list) else path).name for path in paths}
