"""llava on 12-megapixel photos with the real processor and a simulated device: `make bench-photos`.

Prints the CPU time of the model process per photo, and so the photos per second that its core can feed to a device, with and
without the preparation of photos on the workers. CPU time hardly depends on other programs. Needs torch and transformers.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, publish

SIZE = (4000, 3000)
DEADLINE = 900.0
JOB = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: photos}}
spec:
  sources: [{{images: {{paths: ["{photos}"]}}}}]
  steps:
  - custom: {{operator: "benchmarks.photos_step:Photos", params: {{model: "{model}", prompt: "photo", log: "{log}",
      prepares: {prepares}, milliseconds: 5}}}}
  - drop: {{columns: [image]}}
  sink: {{parquet: {{path: "{sink}", mode: overwrite}}}}
"""


def make_photos(folder: Path, count: int) -> None:
    """Photos of 3 MB each. Four are different; the others differ by bytes after their end."""
    import numpy as np
    from PIL import Image

    folder.mkdir()
    encoded = []
    for seed in range(4):
        chance = np.random.default_rng(seed)
        small = chance.integers(0, 255, (SIZE[1] // 16, SIZE[0] // 16, 3), dtype=np.uint8)
        large = np.asarray(Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)).astype(np.int16)
        noisy = (large + chance.integers(-8, 8, large.shape, dtype=np.int16)).clip(0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(noisy).save(stream, "JPEG", quality=88)
        encoded.append(stream.getvalue())
    for number in range(count):
        (folder / f"{number:04}.jpg").write_bytes(encoded[number % 4] + f"{number}".encode())


def make_processor(folder: Path) -> None:
    """The processor of LLaVA-NeXT in its full size, without weights."""
    from transformers import LlavaNextConfig

    from tests.support.models.llava import SHAPES, _processor, _tokenizer

    LlavaNextConfig().save_pretrained(folder)
    _processor(SHAPES["full"], _tokenizer(SHAPES["tiny"].vocabulary)).save_pretrained(folder)


def measure(photos: Path, model: Path, work: Path, prepares: bool) -> dict[str, float]:
    """Run the job. Returns CPU seconds of the model process per photo and photos per second in its second half."""
    work.mkdir()
    log = work / "log"
    job = JOB.format(photos=photos, model=model, log=log, prepares=str(prepares).lower(), sink=work / "out")
    (work / "job.yaml").write_text(job)
    began = time.time()
    command = [sys.executable, "-m", "datajob.cli", "run", "--fresh", str(work / "job.yaml"), "--executor", "ray"]
    subprocess.run(command, check=True, timeout=DEADLINE)
    lines = [[float(part) for part in line.split()] for line in log.read_text().splitlines()]
    half = lines[len(lines) // 2 :]
    photos_done = sum(count for *_, count in half[1:])
    return {
        "cpu": (half[-1][1] - half[0][1]) / photos_done,
        "rate": photos_done / (half[-1][0] - half[0][0]),
        "whole": time.time() - began,
    }


def main() -> None:
    """Measure both and print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=240)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_photos(work / "photos", options.photos)
        make_processor(work / "model")
        alone = measure(work / "photos", work / "model", work / "alone", prepares=False)
        split = measure(work / "photos", work / "model", work / "split", prepares=True)
    cpu = alone["cpu"] / split["cpu"]
    publish(
        [
            Figure("CPU of the model process, alone", alone["cpu"] * 1000, "ms"),
            Figure("CPU of the model process, photos prepared", split["cpu"] * 1000, "ms", "alone", cpu, ">= 5"),
            Figure("photos that its core can feed", 1 / split["cpu"], "1/s", "alone", cpu, ">= 5"),
            Figure("photos, on this machine", split["rate"], "1/s", "alone", split["rate"] / alone["rate"], ">= 1"),
            Figure("whole process", split["whole"], "s", "alone", alone["whole"] / split["whole"], ">= 1"),
        ]
    )


if __name__ == "__main__":
    main()
