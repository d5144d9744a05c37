"""The llava step on one GPU, without Ray: `make bench-gpu`. Needs torch, transformers and a CUDA device; nothing is downloaded.

Captions generated photos in float16 with `datajob run --executor local`, next to the sequential script from the documentation
of the model. The texts are compared with those of float32 on the CPU. `--size full` has the shape of LLaVA-NeXT 7B. `--device
cpu` runs the same program without a GPU, to test it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import mean
from types import TracebackType
from typing import Any, Self

from benchmarks.figures import Figure, publish
from benchmarks.llava import script, step
from benchmarks.llava_scripts import PROMPT

NEEDED = (
    "torch",
    "torchvision",
    "transformers",
    "pyarrow",
    "pydantic",
    "yaml",
    "click",
    "PIL",
    "fsspec",
    "numba",
    "duckdb",
    "rich",
)
TOLERANCE = 0.1
"""Maximum difference of two logits, in float32, below which float16 may choose either token. docs/inference.md states it."""
SAMPLE_SECONDS = 0.2


class GpuMonitor:
    """Samples the utilization and the memory of the first GPU while the block runs; without a GPU, no samples."""

    def __init__(self) -> None:
        self.busy: list[float] = []
        self.memory: list[float] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if shutil.which("nvidia-smi"):
            query = ["--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "--id=0"]
            command = ["nvidia-smi", *query, f"--loop-ms={int(SAMPLE_SECONDS * 1000)}"]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            busy, memory = line.split(",")
            self.busy.append(float(busy) / 100)
            self.memory.append(float(memory) / 1024)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def while_busy(self) -> float:
        """Mean utilization between the first and the last sample with activity, which excludes the start of the process."""
        active = [i for i, value in enumerate(self.busy) if value > 0]
        return mean(self.busy[active[0] : active[-1] + 1]) if active else 0.0


def make_model(folder: Path, size: str, device: str) -> Path:
    """Make a model of a size in `folder`. The full size is made in float16 on the GPU, because the CPU takes minutes."""
    import torch

    from tests.support.models.llava import make_llava

    if size == "full" and device == "gpu":
        torch.set_default_dtype(torch.float16)
        with torch.device("cuda"):
            make_llava(folder, size)
        torch.set_default_dtype(torch.float32)
        torch.cuda.empty_cache()
        return folder
    return make_llava(folder, size)


def measured(
    model: str, photos: Path, tokens: int, work: Path, size: str, compared: int
) -> tuple[list[Figure], dict[str, str]]:
    """The step and the sequential script with one model. Returns the measurements and the texts of the step by file."""
    with GpuMonitor() as monitor:
        ours = step(model, photos, tokens, work, "--executor", "local")
    alone = script("sequential", model, photos, compared, tokens)
    equal = sum(ours["texts"][path] == text for path, text in alone["texts"].items())
    worker = ours["report"]["workers"][0]
    share = worker["busySeconds"] / (len(ours["texts"]) / ours["rate"])
    name = f"llava {size}"
    kind = "; ".join(worker["models"])
    rate, first = ours["rate"], ours["first"]
    figures = [
        Figure(f"{name}: without startup", rate, "img/s", f"sequential: {alone['rate']:.2f}", rate / alone["rate"]),
        Figure(f"{name}: model busy", share, "share", kind, None, ">= 0.95"),
        Figure(f"{name}: GPU busy, by nvidia-smi", monitor.while_busy(), "share"),
        Figure(f"{name}: GPU memory, peak", max(monitor.memory, default=0.0), "GiB"),
        Figure(f"{name}: first caption", first, "s", f"sequential: {alone['first']:.1f}", alone["first"] / first),
        Figure(f"{name}: process", ours["whole"], "s", f"{len(ours['texts'])} images"),
        Figure(f"{name}: texts equal to sequential", equal, "rows", f"of {compared}", equal / compared),
    ]  # fmt: skip
    return figures, ours["texts"]


def engine_alone(model: str, photos: Path, tokens: int, size: str) -> Figure:
    """The rate of the engine of the step if all rows are queued from the start: the limit for the feeding of the device."""
    import torch

    from datajob.operators.base import Device
    from datajob.operators.inference._engines.base import Request
    from datajob.operators.inference.llava import Llava

    operator = Llava(model=model, max_new_tokens=tokens)
    engine: Any = operator.setup(Device())
    requests = [Request(PROMPT, operator.options(), (file.read_bytes(),)) for file in sorted(photos.iterdir())]
    for future in engine.submit(requests[:8]):  # the first batch compiles and allocates
        future.result()
    busy, began = engine.busy_seconds, time.perf_counter()
    for future in engine.submit(requests):
        future.result()
    seconds = time.perf_counter() - began
    share = (engine.busy_seconds - busy) / seconds
    engine.close()
    del engine
    gc.collect()
    torch.cuda.empty_cache()
    return Figure(f"llava {size}: engine alone, all rows queued", len(requests) / seconds, "img/s", f"model busy: {share:.2f}")


def reference(model: str, texts: dict[str, str], count: int, tokens: int) -> list[Figure]:
    """Compare texts with those of float32 on the CPU. A difference is within the tolerance if both tokens were about
    equally likely.
    """
    from benchmarks.llava_scripts import Script

    exact = Script(model, tokens, device="cpu")
    gaps = [0.0]
    equal = 0
    for path in sorted(texts)[:count]:
        chosen, logits = exact.tokens_and_logits(path)
        text = exact.decode(chosen)
        equal += text == texts[path]
        if text != texts[path]:
            gaps.append(_gap(exact, chosen, logits, texts[path]))
    within = equal + sum(gap <= TOLERANCE for gap in gaps[1:])
    return [
        Figure("float32 on the CPU: equal texts", equal, "rows", f"of {count}", equal / count),
        Figure("float32 on the CPU: within the tolerance", within, "rows", f"of {count}", within / count, "1"),
        Figure("float32 on the CPU: largest logit difference", max(gaps), "", f"tolerance: {TOLERANCE}"),
    ]  # fmt: skip


def _gap(exact: Any, chosen: list[int], logits: Any, text: str) -> float:
    """The difference of the logits, in float32, of the two tokens at which the texts part."""
    same = 0
    while same < len(chosen) and text.startswith(exact.decode(chosen[: same + 1])):
        same += 1
    if same == len(chosen):
        return 0.0
    row = logits[same]
    for token in row.argsort(descending=True).tolist():
        if exact.decode([*chosen[:same], token]) != exact.decode(chosen[:same]) and text.startswith(
            exact.decode([*chosen[:same], token])
        ):
            return float(row.max() - row[token])
    return float("inf")


def machine(device: str) -> dict[str, Any]:
    """What was measured on."""
    import torch
    import transformers

    name = torch.cuda.get_device_name(0) if device == "gpu" else "CPU"
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "python": sys.version.split()[0]}
    return {"device": name, "cores": os.cpu_count(), **versions}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", choices=["gpu", "cpu"], default="gpu")
    parser.add_argument("--size", choices=["tiny", "mid", "full"], nargs="+", default=["mid"])
    parser.add_argument("--photos", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--compared", type=int, default=48, help="photos of the sequential script and of float32 on the CPU")
    arguments = parser.parse_args()
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        sys.exit(f"bench-gpu needs Python packages that are not installed: {', '.join(missing)}")
    import torch

    from tests.support.models.photos import make_photos

    if arguments.device == "gpu" and not torch.cuda.is_available():
        sys.exit("bench-gpu needs a CUDA device. `--device cpu` runs the same program without one.")
    os.environ["HF_HUB_OFFLINE"] = "1"
    print(json.dumps(machine(arguments.device)), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        photos = make_photos(work / "photos", arguments.photos)
        for size in arguments.size:
            began = time.perf_counter()
            model = str(make_model(work / size, size, arguments.device))
            print(f"made the model {size} in {time.perf_counter() - began:.0f} s", flush=True)
            (out := work / f"out-{size}").mkdir()
            figures, texts = measured(model, photos, arguments.tokens, out, size, arguments.compared)
            figures.append(engine_alone(model, photos, arguments.tokens, size))
            if size != "full":
                figures += reference(model, texts, arguments.compared, arguments.tokens)
            publish(figures)
            shutil.rmtree(model)


if __name__ == "__main__":
    main()
