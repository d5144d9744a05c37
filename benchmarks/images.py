"""Jobs with steps on images, compared with what users run today, on all cores.

    python -m benchmarks.images [names of parts] [--runs 3]

Each job and its peers run in turns for the same files. Ratios are medians of the ratios of each turn.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import image_corpus
from benchmarks.data import CACHE
from benchmarks.engine import CORES, timed
from benchmarks.figures import Figure, publish
from benchmarks.image_data_juicer import against_data_juicer
from benchmarks.image_peers import Loop
from benchmarks.text_peers import Steps, run

SIZES = {"640x480": (4000, 640, 480), "2048x1536": (400, 2048, 1536)}
FILES = 8
"""Parquet files of a set of images."""
HEADERS: Steps = [
    {"mediaInfo": {}},
    {"imageSize": {"minSide": 200}},
    {"aspectRatio": {}},
    {"fileSize": {"output": "size"}},
    {"drop": {"columns": ["image"]}},
]
PIXELS: Steps = [
    {"sharpness": {"min": 0, "output": "sharpness"}},
    {"brightness": {"min": None, "max": None, "output": "brightness"}},
    {"resizeImage": {"side": 336}},
    {"imageDedup": {}},
]
"""`imageDedup` hashes the reduced images, compares all hashes, and removes images in another stage."""


def images(size: str) -> Path:
    """Parquet files with images of a size."""
    return image_corpus.parquet(image_corpus.folder(*SIZES[size]), FILES)


def job(source: Path, work: Path, steps: Steps, executor: str = "ray") -> Callable[[], float]:
    """Seconds of a job without its startup."""

    def seconds() -> float:
        report = run(source, work / "out", steps, executor)
        return float(report.seconds - report.startup_seconds)

    return seconds


def beside(
    mine: Callable[[], float], names: Sequence[str], processes: int, source: Path, work: Path, runs: int
) -> dict[str, list[float]]:
    """Seconds of a job and of loops over the same files in turns, after a first run that imports libraries."""
    loops = {name: Loop(name, processes) for name in names}
    found: dict[str, list[float]] = {name: [] for name in ("job", *names)}
    try:
        for turn in range(runs + 1):
            for name in found:
                seconds = mine() if name == "job" else timed(partial(loops[name].run, source, work / "peer"))
                found[name] += [seconds] if turn else []
    finally:
        for loop in loops.values():
            loop.close()
    return found


def ratio(mine: list[float], other: list[float]) -> float:
    """Median of the ratios of each turn."""
    return statistics.median(theirs / ours for ours, theirs in zip(mine, other, strict=True))


def headers(work: Path, runs: int) -> list[Figure]:
    """Steps that only read headers, in one process, compared with a decode of the same files by Pillow in another one."""
    figures = []
    for size, (count, _, _) in SIZES.items():
        source = images(size)
        found = beside(job(source, work, HEADERS, "local"), ("decode",), 1, source, work, runs)
        found["Pillow"] = found.pop("decode")
        found["steps"] = [_steps_seconds(source, work) for _ in range(runs)]
        pillow = count / statistics.median(found["Pillow"])
        for name, goal in (("steps", ">= 30"), ("job", ">= 10,000 images/s")):
            speed = count / statistics.median(found[name])
            against = f"Pillow decodes {pillow:.0f} images/s"
            figures.append(
                Figure(f"headers of {size}, {name}, one core", speed, "/s", against, ratio(found[name], found["Pillow"]), goal)
            )
    return figures


def _steps_seconds(source: Path, work: Path) -> float:
    """Seconds that the steps of the job take, without reading and writing."""
    report = run(source, work / "out", HEADERS, "local")
    names = [name for step in HEADERS[:-1] for name in step]
    return float(sum(step.seconds for step in report.steps if step.name in names))


def pixels(work: Path, runs: int) -> list[Figure]:
    """Decode, resize, hash, sharpness and brightness in one job, compared with loops that do the same."""
    figures = []
    goals = {"Pillow": {"640x480": ">= 1.5", "2048x1536": ">= 3"}, "simplejpeg": dict.fromkeys(SIZES, ">= 0.95")}
    for size, (count, _, _) in SIZES.items():
        source = images(size)
        found = beside(job(source, work, PIXELS), tuple(goals), CORES, source, work, runs)
        speed = count / statistics.median(found["job"])
        for name, goal in goals.items():
            against = f"{name} loop {count / statistics.median(found[name]):.0f}/s"
            figures.append(Figure(f"pixels of {size}", speed, "/s", against, ratio(found["job"], found[name]), goal[size]))
    return figures


def hashes(work: Path, runs: int) -> list[Figure]:
    """All pairs of a million 64-bit hashes within 5 bits, on one core, compared with all pairs of a sample."""
    from datajob.engine.dedup.union_find import Forest
    from datajob.operators.dedup._near_hashes import link_near_hashes, near_signatures

    found = near_copies(1_000_000)
    rows = np.arange(len(found))
    first = rows.copy()

    def link() -> None:
        signatures = near_signatures(found.astype(">u8").view(np.uint8).reshape(-1, 8), rows, 64, 5)
        edges, forest = link_near_hashes(signatures, 64, 5), Forest()
        forest.add(edges.column("row").to_numpy(), edges.column("kept").to_numpy())
        members, components = forest.members()
        first[members] = components

    seconds = statistics.median(timed(link) for _ in range(runs))
    pairs = linked = 0
    for row in np.random.default_rng(1).choice(len(found), 1000, replace=False):
        near = np.flatnonzero(np.bitwise_count(found ^ found[row]) <= 5)
        pairs, linked = pairs + len(near) - 1, linked + int((first[near] == first[row]).sum()) - 1
    return [
        Figure("1,000,000 hashes within 5 bits, one core", seconds, "s", goal="<= 20"),
        Figure("pairs found of 1,000 hashes", linked, "pairs", f"brute force {pairs}", linked / pairs, "1"),
    ]


def near_copies(count: int) -> Any:
    """64-bit hashes: random ones, and a fifth that differ from another one in up to 8 bits."""
    draw = np.random.default_rng(0)
    found = draw.integers(0, 2**64, count, dtype=np.uint64)
    copies = count // 5
    changed = found[draw.integers(0, count - copies, copies)]
    bits = draw.integers(0, 9, copies)
    for number in range(8):
        flip = np.uint64(1) << draw.integers(0, 64, copies).astype(np.uint64)
        changed ^= np.where(number < bits, flip, np.uint64(0))
    found[count - copies :] = changed
    return draw.permutation(found)


def data_juicer(work: Path, runs: int) -> list[Figure]:
    """Steps that read headers and removal of equal hashes, compared with Data-Juicer in a separate environment."""
    return against_data_juicer(image_corpus.folder(*SIZES["640x480"]), work, runs)


PARTS = {"headers": headers, "pixels": pixels, "hashes": hashes, "data_juicer": data_juicer}


def main() -> None:
    """Measure and print."""
    from datajob.engine.executors.ray_data import RayExecutor

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--runs", type=int, default=3, help="turns of each comparison")
    options, figures = parser.parse_args(), list[Figure]()
    print(f"{len(image_corpus.originals())} original photos, {CORES} cores, files in {CACHE}", flush=True)
    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as folder:
        ray = RayExecutor() if not options.parts or "pixels" in options.parts else None
        try:
            for part in options.parts or PARTS:
                figures += PARTS[part](Path(folder), options.runs)
        finally:
            if ray is not None:
                ray.close()
    publish(figures)


if __name__ == "__main__":
    main()
