"""What the child process costs: sections of steps on images in the child and in this process, in turns.

python -m benchmarks.image_isolation
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks.image_steps import Mean
from datajob.media.isolation import run_isolated, runner
from datajob.operators.image.sharpness import Sharpness
from datajob.operators.media.image_rows import ImageWork
from tests.support.pictures import PHOTOS, encoded, photo

ROUNDS = 7
IMAGES = {(640, 480): 400, (2048, 1536): 60}


SECTIONS: dict[str, tuple[Any, ...]] = {
    "1 step": (Sharpness(min=0),),
    "5 steps": (Sharpness(min=0), Mean(side=32), Mean(side=64), Mean(side=128), Mean(side=256)),
}


def photos(width: int, height: int) -> list[bytes]:
    """JPEG files of real photos."""
    return [encoded(photo(name).resize((width, height)), "JPEG", quality=90) for name in PHOTOS]


def child_seconds() -> float:
    """Processor time of the child."""
    with open(f"/proc/{runner.child_pid()}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


def processor(call: Callable[[], Any], *, child: bool) -> tuple[float, float]:
    """Processor time of this process and its child, and wall-clock time, in seconds."""
    before, began, wall = child_seconds() if child else 0.0, time.process_time(), time.perf_counter()
    call()
    own, passed = time.process_time() - began, time.perf_counter() - wall
    return own + (child_seconds() - before if child else 0.0), passed


def main() -> None:
    """Print one line per size and section."""
    for (width, height), count in IMAGES.items():
        files = photos(width, height)
        items = [(files[n % len(files)],) for n in range(count)]
        for name, steps in SECTIONS.items():
            work = ImageWork(steps, lists=False)
            assert run_isolated(work, items[:8])[0] == work(items[0])
            alone, isolated = [], []
            for _ in range(ROUNDS):
                alone.append(processor(lambda: [work(item) for item in items], child=False))  # noqa: B023
                isolated.append(processor(lambda: run_isolated(work, items), child=True))  # noqa: B023
            cpu = [min(times[0] for times in side) / count * 1e3 for side in (alone, isolated)]
            wall = [min(times[1] for times in side) / count * 1e3 for side in (alone, isolated)]
            print(
                json.dumps(
                    {
                        "image": f"{width}x{height}",
                        "kilobytes": len(files[0]) // 1000,
                        "section": name,
                        "in_process_ms": round(cpu[0], 3),
                        "isolated_ms": round(cpu[1], 3),
                        "overhead_processor": round(cpu[1] / cpu[0] - 1, 3),
                        "overhead_wall": round(wall[1] / wall[0] - 1, 3),
                    }
                )
            )


if __name__ == "__main__":
    main()
