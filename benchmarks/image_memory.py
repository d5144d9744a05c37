"""Memory of steps on images for 1,000 and for 100,000 images; with some of 100 megapixels, for 1,000 and for 20,000.

    python -m benchmarks.image_memory [--images 100000]

Rows refer to files, of which each is used many times. The steps measure, hash, reduce and write new files. Memory is the peak
of the private memory of the run and of the child process that decodes, sampled every 50 ms.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, publish
from benchmarks.text_peers import Steps, job_file

FEW = 1_000
EVERY = 500
"""Number of images of which one has 100 megapixels."""
SMALL, LARGE = (320, 240), (10_000, 10_000)
STEPS: Steps = [
    {"imageSize": {"minSide": 100}},
    {"sharpness": {"min": 0, "output": "sharpness"}},
    {"brightness": {"min": None, "max": None, "output": "brightness"}},
    {"resizeImage": {"side": 224}},
]


def files(folder: Path) -> tuple[list[str], str]:
    """Paths of small photos, and of a large one."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    paths = []
    for seed in range(100):
        noise = np.random.default_rng(seed).integers(0, 255, (SMALL[1] // 8, SMALL[0] // 8, 3), dtype=np.uint8)
        image = Image.fromarray(noise).resize(SMALL, Image.Resampling.BICUBIC)
        image.save(path := folder / f"{seed}.jpg", quality=90)
        paths.append(str(path))
    image.resize(LARGE, Image.Resampling.BICUBIC).save(large := folder / "large.jpg", quality=90)
    return paths, str(large)


def rows(folder: Path, count: int, small: list[str], large: str | None) -> Path:
    """A Parquet file of references."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    paths = [large if large and not row % EVERY else small[row % len(small)] for row in range(count)]
    folder.mkdir()
    pq.write_table(pa.table({"image": paths, "id": range(count)}), folder / "rows.parquet")
    return folder


def peaks(source: Path, work: Path, count: int) -> dict[str, float]:
    """Megabytes of the run and of its child, and seconds."""
    import psutil
    import pyarrow.parquet as pq

    work.mkdir()
    job = job_file(source, work / "out", STEPS)
    command = [sys.executable, "-m", "datajob.cli", "run", "--fresh", "--executor", "local", str(job)]
    found, began = {"run": 0.0, "child": 0.0}, time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            for one in (parent := psutil.Process(process.pid), *parent.children(recursive=True)):
                memory = one.memory_info()
                kind = "run" if one.pid == process.pid else "child"
                found[kind] = max(found[kind], (memory.rss - memory.shared) / 1e6)
        except psutil.Error:
            pass
        time.sleep(0.05)
    assert process.returncode == 0
    written = sum(pq.read_metadata(path).num_rows for path in (work / "out").glob("*.parquet"))
    assert written == count, f"{written} rows of {count}"
    return {**found, "seconds": time.time() - began}


def memory(work: Path, images: int) -> list[Figure]:
    """The peaks for few and for many images."""
    small, large = files(work / "files")
    figures = []
    for name, path, total in (("320x240", None, images), ("some of 100 megapixels", large, images // 5)):
        few, many = (
            peaks(rows(work / f"{name}-{count}", count, small, path), work / f"{name}-{count}-out", count)
            for count in (FEW, total)
        )
        for kind in ("run", "child"):
            against = f"{FEW:,} images: {few[kind]:.0f}"
            figures.append(
                Figure(
                    f"memory of the {kind}, {images:,} images, {name}",
                    many[kind],
                    "MB",
                    against,
                    many[kind] / few[kind],
                    "<= 1.1",
                )
            )
        figures.append(Figure(f"images, {name}", total / many["seconds"], "/s"))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as folder:
        publish(memory(Path(folder), options.images))


if __name__ == "__main__":
    main()
