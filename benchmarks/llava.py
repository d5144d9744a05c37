"""The llava step compared with the scripts that it replaces: images per second, time to the first caption, memory.

All of them use the same generated photos and the same model, by default a generated medium-size model with random weights, in
float32 with greedy decoding. The texts must be equal. `--model` selects another model.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, publish
from benchmarks.llava_scripts import PROMPT, THREADS
from benchmarks.plot import line

JOB = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: captions}}
spec:
  sources: [{{images: {{paths: ["{photos}"]}}}}]
  steps:
  - llava: {{model: "{model}", prompt: "{prompt}", maxNewTokens: {tokens}}}
  - compute: {{columns: {{path: image.path}}}}
  - drop: {{columns: [image]}}
  sink: {{parquet: {{path: "{sink}", mode: overwrite}}}}
"""
ARTICLE_IMAGES = 6
"""Its rate does not depend on the number of images."""
MEMORY_IMAGES = 1000
DEADLINE = 1800.0
SAMPLE_SECONDS = 0.5
ENVIRONMENT = {**os.environ, "RAY_worker_niceness": "0"}
"""By default, Ray workers have a lower priority than other processes and the sequential script does not, which would distort
the comparison on a busy machine."""


def script(name: str, model: str, photos: Path, most: int, tokens: int) -> dict[str, Any]:
    """Run a script of `llava_scripts`. Returns its results and the duration of the complete process."""
    command = [sys.executable, "-m", "benchmarks.llava_scripts", name, model, str(photos), str(most), str(tokens)]
    began = time.time()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=DEADLINE, env=ENVIRONMENT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "rate": len(found["texts"]) / (found["last"] - found["loaded"]), "first": found["first"] - began,
            "whole": time.time() - began}  # fmt: skip


def watched(command: Sequence[str], sink: Path) -> dict[str, Any]:
    """Run a program that writes Parquet files to `sink`.

    Returns when the first file was there, when it ended, and the CPU seconds of actors over time.
    """
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    first = 0.0
    used: list[tuple[float, dict[str, float]]] = []
    while process.poll() is None:
        if not first and any(sink.glob("*.parquet")):
            first = time.time() - began
        if not used or time.time() - used[-1][0] > SAMPLE_SECONDS:
            used.append((time.time(), cpu_seconds()))
        time.sleep(0.02)
    whole = time.time() - began
    assert process.returncode == 0
    return {"began": began, "first": first, "whole": whole, "used": used}


def cpu_seconds() -> dict[str, float]:
    """CPU seconds of each actor of Ray on this machine, by process ID."""
    import psutil

    found = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        with suppress(psutil.Error):
            if (process.info["cmdline"] or [""])[0].startswith("ray::"):
                found[str(process.pid)] = sum(process.cpu_times()[:2])
    return found


def used_between(samples: Sequence[tuple[float, dict[str, float]]], pid: str, start: float, stop: float) -> float:
    """CPU seconds of a process between two moments."""
    inside = [
        used[pid] for moment, used in samples if start - SAMPLE_SECONDS <= moment <= stop + SAMPLE_SECONDS and pid in used
    ]
    return inside[-1] - inside[0]


def rows_of(sink: Path) -> list[dict[str, Any]]:
    """The rows of all files."""
    import pyarrow.parquet as pq

    return [row for part in sink.glob("*.parquet") for row in pq.read_table(part).to_pylist()]


def plain_ray_data(model: str, photos: Path, tokens: int, work: Path) -> dict[str, Any]:
    """Run `rayData` of `llava_scripts`."""
    sink, count = work / "plain", len(list(photos.iterdir()))
    command = [sys.executable, "-m", "benchmarks.llava_scripts", "rayData", model, str(photos), str(count), str(tokens)]
    moments = watched([*command, str(sink)], sink)
    rows = rows_of(sink)
    rate = len(rows) / (max(row["ended"] for row in rows) - min(row["began"] for row in rows))
    return {"texts": {row["item"]: row["text"] for row in rows}, "rate": rate, **moments}


def step(model: str, photos: Path, tokens: int, work: Path, *options: str) -> dict[str, Any]:
    """Run the job with `datajob run` and `options` in a separate process. Returns the results of `script`, and the report."""
    sink = work / "out"
    job = work / "job.yaml"
    job.write_text(JOB.format(photos=photos, model=model, prompt=PROMPT, tokens=tokens, sink=sink))
    moments = watched([sys.executable, "-m", "datajob.cli", "run", "--fresh", *options, str(job)], sink)
    began, rows = moments["began"], rows_of(sink)
    report = json.loads((sink / "_datajob" / "report.json").read_text())
    worked = [[datetime.fromisoformat(w[k]).timestamp() for k in ("first", "last")] for w in report["workers"]]
    rate = len(rows) / (max(last for _, last in worked) - min(first for first, _ in worked))
    pids = [worker["name"].rpartition("/")[2] for worker in report["workers"]]
    cpu = sum(used_between(moments["used"], pid, *window) for pid, window in zip(pids, worked, strict=True))
    print(
        f"start-up {report['startupSeconds']:.1f} s; " + "; ".join(f"{w['name']}: {w['rows']} rows" for w in report["workers"])
    )
    for (first, last), worker in zip(worked, report["workers"], strict=True):
        print(f"  {worker['name']} on {worker['device']}: from {first - began:.1f} s to {last - began:.1f} s")
    texts = {row["path"]: row["caption"] for row in rows}
    print(f"  CPU time of the actors: {cpu / len(rows) * 1000:.0f} ms per image")
    return {"texts": texts, "rate": rate, "cpu": cpu / len(rows), "actors": len(report["workers"]), "report": report, **moments}


def ceiling(model: str, photos: Path, tokens: int) -> dict[str, float]:
    """The results of `llava_ceiling`."""
    command = [sys.executable, "-m", "benchmarks.llava_ceiling", model, str(photos), str(tokens)]
    found: dict[str, float] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=DEADLINE).stdout)
    return found


def best(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The highest rate and the shortest times of several rounds, which must have equal texts."""
    assert all(r["texts"] == rounds[0]["texts"] for r in rounds)
    shortest = {key: min(r[key] for r in rounds) for key in ("first", "whole")}
    return {**max(rounds, key=lambda r: r["rate"]), **shortest}


def compare(model: str, photos: Path, tokens: int, work: Path, rounds: int) -> list[Figure]:
    """Run all contenders alternately and use the best round of each, which was disturbed least by other processes."""
    count = len(list(photos.iterdir()))
    ran: list[list[dict[str, Any]]] = []
    for number in range(rounds):
        (folder := work / str(number)).mkdir()
        ran.append(
            [
                script("sequential", model, photos, count, tokens),
                step(model, photos, tokens, folder),
                plain_ray_data(model, photos, tokens, folder),
                script("article", model, photos, ARTICLE_IMAGES, tokens),
            ]
        )
    alone, ours, plain, article = map(best, zip(*ran, strict=True))
    equal = [sum(found["texts"][path] == alone["texts"][path] for path in found["texts"]) for found in (ours, plain, article)]
    rate, first, whole = ours["rate"], ours["first"], ours["whole"]
    peak = ceiling(model, photos, tokens)
    own = (os.cpu_count() or 1) / ours["cpu"]
    limit = f"{peak['gflops']:.0f} GFLOP/s of the cores: {peak['rate']:.1f}"
    versus = f"sequential, {THREADS} thread: {alone['rate']:.2f}"
    return [
        Figure("llava: equal texts", equal[0], "rows", f"sequential: {count}", equal[0] / count, "1"),
        Figure("llava: equal texts, article", equal[2], "rows", f"{ARTICLE_IMAGES}", equal[2] / ARTICLE_IMAGES, "1"),
        Figure("llava: actors", ours["actors"], "actors", "", None, "2"),
        Figure("llava: without startup", rate, "img/s", versus, rate / alone["rate"], ">= 4"),
        Figure("llava: without startup", rate, "img/s", f"article: {article['rate']:.3f}", rate / article["rate"], ">= 40"),
        Figure("llava: without startup", rate, "img/s", f"plain Ray Data, batch 8: {plain['rate']:.2f}", rate / plain["rate"],
               ">= 1.25"),
        Figure("llava: without startup", rate, "img/s", limit, rate / peak["rate"], ">= 0.8"),
        Figure("llava: if it had all cores alone", own, "img/s", limit, own / peak["rate"], ">= 0.8"),
        Figure("llava: first caption", first, "s", f"plain Ray Data: {plain['first']:.1f}", plain["first"] / first,
               ">= 1.33"),
        Figure("llava: process", whole, "s", f"sequential: {alone['whole']:.1f}", alone["whole"] / whole, ">= 2"),
        Figure("llava: process", whole, "s", f"plain Ray Data: {plain['whole']:.1f}", plain["whole"] / whole, "> 1"),
    ]  # fmt: skip


def memory(model: str, work: Path) -> list[Figure]:
    """Resident memory of one process over 1,000 images, and of the weights. Writes the curve as CSV and SVG."""
    import psutil
    import torch

    from datajob.operators.base import Device
    from datajob.operators.inference.llava import Llava
    from tests.support.models.photos import jpeg

    process = psutil.Process()
    torch.set_num_threads(THREADS)
    step = Llava(model=model, max_new_tokens=1)
    engines = []
    for _ in range(3):  # the first includes imports; the second reuses memory that they freed
        before = process.memory_full_info().uss
        engines.append(step.setup(Device("cpu", THREADS)))
        gc.collect()
    loaded, engine = process.memory_full_info().uss, engines[0]
    weights = sum(f.stat().st_size for f in Path(model).glob("*.safetensors"))
    photos = [jpeg(i) for i in range(40)]
    from datajob.operators.inference._engines.base import Request

    curve: list[int] = []
    supply = itertools.cycle(photos)
    for _ in range(0, MEMORY_IMAGES, 50):
        futures = engine.submit([Request("?", step.options(), (next(supply),)) for _ in range(50)])
        for future in futures:
            future.result()
        curve.append(process.memory_info().rss)
    for engine in engines:
        engine.close()
    file = work / "llava-memory.csv"
    points = [((i + 1) * 50.0, rss / 1e6) for i, rss in enumerate(curve)]
    file.write_text("images,megabytes\n" + "".join(f"{images:.0f},{rss:.1f}\n" for images, rss in points))
    title = f"Resident memory of a process (MB) with {len(engines)} copies of a model of {weights / 1e6:.0f} MB"
    file.with_suffix(".svg").write_text(line(points, title, "images processed"))
    copies = (loaded - before) / weights
    grown = (curve[-1] - curve[len(curve) // 4]) / 1e6
    return [
        Figure("llava: weights in memory", (loaded - before) / 1e6, "MB", f"files: {weights / 1e6:.0f}", copies, "1 copy"),
        Figure("llava: growth, images 300 to 1000", grown, "MB", f"resident: {curve[-1] / 1e6:.0f}", None, "0"),
    ]  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llava", description=__doc__)
    parser.add_argument("--model", help="a LLaVA-NeXT model instead of the generated one")
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=1, help="use more rounds on a shared machine")
    parser.add_argument("--only", choices=["speed", "memory"])
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the memory curve")
    arguments = parser.parse_args()
    from tests.support.models.photos import make_photos

    os.environ.setdefault("HF_HUB_OFFLINE", "0" if arguments.model else "1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = arguments.model
        if model is None:  # in a separate process, so that it does not affect the measured memory
            model = str(work / "model")
            subprocess.run(
                [sys.executable, "-m", "tests.support.models.llava", model, "--size", "mid"], check=True, stdout=sys.stderr
            )
        figures: list[Figure] = []
        if arguments.only != "memory":
            figures += compare(model, make_photos(work / "photos", arguments.photos), arguments.tokens, work, arguments.rounds)
        if arguments.only != "speed":
            figures += memory(model, arguments.out)
    publish(figures)


if __name__ == "__main__":
    main()
