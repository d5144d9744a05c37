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

PACKAGES = ("py-data-juicer==1.6.1", "aiohttp", "imagehash")
"""aiohttp is imported, but not among its requirements."""
IMAGES, FILES = 2000, 8
RULES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = {
    "header steps": (
        [
            {"image_shape_filter": {"min_width": 200, "min_height": 200}},
            {"image_aspect_ratio_filter": {"min_ratio": 1.0, "max_ratio": 3.0}},
            {"image_size_filter": {"min_size": "40000", "max_size": "1TB"}},
        ],
        [{"imageSize": {"minSide": 200}}, {"aspectRatio": {"min": 1.0}}, {"fileSize": {"min": 40000}}],
        ">= 5",
    ),
    "equal hashes": (
        [{"image_deduplicator": {"method": "phash"}}],
        [{"imageDedup": {"distance": 0}}],
        ">= 4",
    ),
}


def against_data_juicer(images: Path, work: Path, runs: int) -> list[Figure]:
    """Complete processes in turns, both from JSON Lines with paths to JSON Lines, on all cores."""
    python, files, figures = environment(), sample(images, work), list[Figure]()
    for name, (theirs, ours, goal) in RULES.items():
        mine, other, kept = [], [], (set[str](), set[str]())
        for _ in range(runs):
            mine.append(measured(datajob(files, work, ours)))
            other.append(measured(data_juicer(python, files, work, theirs)))
            kept = survivors(work / "out", "image"), survivors(work / "theirs", "images")
        whole = statistics.median(b[0] / a[0] for a, b in zip(mine, other, strict=True))
        memory = statistics.median(b[1] / a[1] for a, b in zip(mine, other, strict=True))
        steps = statistics.median(b[2] / a[0] for a, b in zip(mine, other, strict=True))
        middle = [[statistics.median(values) for values in zip(*side, strict=True)] for side in (mine, other)]
        same = IMAGES - len(kept[0] ^ kept[1])
        figures += [
            Figure(f"{name}, whole process", middle[0][0], "s", f"Data-Juicer {middle[1][0]:.1f} s", whole, goal),
            Figure(f"{name}, our process and their steps", middle[0][0], "s", f"Data-Juicer {middle[1][2]:.1f} s", steps),
            Figure(f"{name}, peak memory", middle[0][1], "MB", f"Data-Juicer {middle[1][1]:.0f} MB", memory, ">= 2"),
            Figure(f"{name}, equal decisions", same, "images", f"of {IMAGES}; kept {len(kept[0])} and {len(kept[1])}"),
        ]
    return figures


def environment() -> Path:
    """The interpreter of an environment with Data-Juicer, created once."""
    place = CACHE / PACKAGES[0]
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(place)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *PACKAGES], check=True)
        (place / "ready").touch()
    return python


def sample(images: Path, work: Path) -> Path:
    """A folder with images, of which every tenth is also there with JPEG quality 60, and the lists of both tools."""
    from PIL import Image

    place = work / "sample"
    place.mkdir()
    originals = sorted(images.glob("*.jpg"))[: IMAGES * 10 // 11]
    for path in originals:
        (place / path.name).symlink_to(path)
    for path in originals[: IMAGES - len(originals)]:
        Image.open(path).save(place / f"copy-{path.name}", quality=60)
    paths = sorted(map(str, place.glob("*.jpg")))
    (work / "ours").mkdir()
    for number in range(FILES):  # a file per shard
        some = paths[number * len(paths) // FILES : (number + 1) * len(paths) // FILES]
        (work / "ours" / f"{number}.jsonl").write_text("".join(json.dumps({"image": path}) + "\n" for path in some))
    (work / "theirs.jsonl").write_text("".join(json.dumps({"text": "", "images": [path]}) + "\n" for path in paths))
    return work


def datajob(files: Path, work: Path, steps: list[dict[str, Any]]) -> list[str]:
    """The command for our job."""
    spec = {
        "sources": [{"json": {"paths": [str(files / "ours")]}}],
        "steps": steps,
        "sink": {"json": {"path": str(work / "out"), "mode": "overwrite"}},
    }
    job = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "bench"}, "spec": spec}
    (work / "ours.yaml").write_text(yaml.safe_dump(job))
    return [str(Path(sys.executable).with_name("datajob")), "run", str(work / "ours.yaml"), "--fresh"]


def data_juicer(python: Path, files: Path, work: Path, steps: list[dict[str, Any]]) -> list[str]:
    """The command for theirs."""
    shutil.rmtree(work / "theirs", ignore_errors=True)
    config = {
        "project_name": "bench", "dataset_path": str(files / "theirs.jsonl"), "np": CORES, "use_cache": False,
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
    """The names of the images that a tool has kept."""
    rows = (json.loads(line) for path in folder.rglob("*.jsonl") if "stats" not in path.name for line in path.open())
    paths = (row[column] for row in rows if column in row)
    return {Path(path[0] if isinstance(path, list) else path).name for path in paths}
