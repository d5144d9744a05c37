"""Steps on audio: speed on one core, memory for a long recording, cost of the child process, and Data-Juicer.

    python -m benchmarks.audio [names of parts] [--runs 5]

Speed is the duration of the audio divided by the processor time of the worker and its child process. Compared values are
measured in turns.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import audio_corpus, audio_peers
from benchmarks.audio_corpus import RATE, encoded, signal
from benchmarks.data_juicer import Rules, compare, environment, write_lists
from benchmarks.figures import Figure, publish
from datajob.media.isolation import run_isolated, runner
from datajob.media.values import MediaValue
from datajob.operators.audio.clipping import Clipping
from datajob.operators.audio.loudness import Loudness
from datajob.operators.audio.resample_audio import ResampleAudio
from datajob.operators.audio.silence_ratio import SilenceRatio
from datajob.operators.audio.vad_segment import VadSegment
from datajob.operators.media.audio_rows import AudioWork

SECONDS, HOURS, CLIPS = 60, 10, 1000
MEASURES: tuple[Any, ...] = (Loudness(min=None, max=None), SilenceRatio(max=None), Clipping(max=None))
SECTION, SPEECH = (*MEASURES, ResampleAudio()), (VadSegment(),)
RULES: Rules = {
    "duration": (
        [{"audio_duration_filter": {"min_duration": 3, "max_duration": 15}}],
        [{"audioDuration": {"min": 3, "max": 15}}],
        ">= 5",
    ),
}
TONES = ((44_100, 16_000, 1000.0), (48_000, 16_000, 1000.0), (44_100, 16_000, 6000.0), (16_000, 24_000, 6000.0))


def processor(call: Callable[[], Any]) -> float:
    """Processor time of this process and its child."""
    before, began = _child_seconds(), time.process_time()
    call()
    return time.process_time() - began + _child_seconds() - before


def _child_seconds() -> float:
    with open(f"/proc/{runner.child_pid()}/schedstat") as stats:
        return int(stats.read().split()[0]) / 1e9


def _child_peak() -> float:
    """The largest resident memory of the child, in MB."""
    with open(f"/proc/{runner.child_pid()}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def section(steps: tuple[Any, ...], data: bytes | None, path: str | None = None) -> tuple[AudioWork, Any]:
    """The work of a section, and its input for one value."""
    work = AudioWork(steps, lists=False)
    [item] = work.inputs([(MediaValue(data, path),)], None)
    return work, item


def isolated(work: AudioWork, item: Any) -> None:
    """Process a row in the child."""
    [result] = run_isolated(work, [item])
    assert isinstance(result, list), result


def speed(runs: int) -> list[Figure]:
    """One pass for measures and resampling, and detection of speech, compared with loops, by format."""
    samples, figures = signal(SECONDS), list[Figure]()
    jobs = (("measures and 16 kHz mono", SECTION, audio_peers.measure_and_resample), ("speech", SPEECH, audio_peers.speech))
    for kind in ("MP3", "FLAC", "OGG", "WAV"):
        data = encoded(samples, kind)
        for name, steps, peer in jobs:
            work, item = section(steps, data)
            isolated(work, item)
            peer(data)
            turns = [(processor(lambda: isolated(work, item)), processor(lambda: peer(data))) for _ in range(runs)]  # noqa: B023
            ours, theirs = (SECONDS / statistics.median(side) for side in zip(*turns, strict=True))
            ratio = statistics.median(b / a for a, b in turns)
            goal = ">= 400 times real time" if kind == "MP3" else ""
            figures.append(Figure(f"{kind}, {name}", ours, "x", f"loop {theirs:.0f}x", ratio, goal))
    return figures


def isolation(runs: int) -> list[Figure]:
    """Processor time in the child compared with this process, for clips of 10 seconds."""
    figures = []
    for kind in ("MP3", "WAV"):
        data = encoded(signal(10), kind)
        work, item = section(SECTION, data)
        isolated(work, item)
        work(item)
        turns = []
        for _ in range(2 * runs):
            inside = processor(lambda: run_isolated(work, [item] * 20))  # noqa: B023
            alone = processor(lambda: [work(item) for _ in range(20)])  # noqa: B023
            turns.append(inside / alone)
        figures.append(
            Figure(f"isolation, {kind} of 10 s", statistics.median(turns), "x", "in the worker itself", goal="<= 1.05")
        )
    return figures


def memory(runs: int) -> list[Figure]:
    """Memory of the child for a long recording, by reference, compared with one of two seconds."""
    import soundfile

    steps = (*MEASURES, VadSegment())
    runner.close()
    isolated(*section(steps, encoded(signal(2), "FLAC")))
    idle, minute = _child_peak(), signal(60)
    with tempfile.NamedTemporaryFile(suffix=".flac") as target:
        with soundfile.SoundFile(target.name, "w", RATE, 2, format="FLAC") as sound:
            for _ in range(HOURS * 60):
                sound.write(minute)
        work, item = section(steps, None, target.name)
        took = processor(lambda: isolated(work, item))
        against = f"{Path(target.name).stat().st_size / 1e6:.0f} MB FLAC, {HOURS * 3600 / took:.0f}x real time"
    return [Figure(f"memory for {HOURS} hours, more than for 2 s", _child_peak() - idle, "MB", against, goal="<= 150")]


def resampling(runs: int) -> list[Figure]:
    """Errors of resampled sines."""
    return [
        Figure(
            f"{quality}, {hertz:.0f} Hz, {before} to {after} Hz", audio_peers.tone_to_noise(quality, before, after, hertz), "dB"
        )
        for quality in ("HQ", "VHQ")
        for before, after, hertz in TONES
    ]


def data_juicer(runs: int) -> list[Figure]:
    """Steps that read headers, compared with Data-Juicer in a separate environment. It needs the libraries of FFmpeg."""
    python = environment("audio", "aiohttp", "librosa", "resampy", "samplerate", "torchcodec")
    with tempfile.TemporaryDirectory(prefix="datajob-bench-") as work:
        write_lists(sorted(map(str, audio_corpus.folder(CLIPS).iterdir())), ("audio", "audios"), Path(work))
        return compare(python, Path(work), ("audio", "audios"), RULES, runs)


PARTS = {"speed": speed, "isolation": isolation, "resampling": resampling, "memory": memory, "data_juicer": data_juicer}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--runs", type=int, default=5, help="turns of each comparison")
    options, figures = parser.parse_args(), list[Figure]()
    for part in options.parts or PARTS:
        figures += PARTS[part](options.runs)
    publish(figures)


if __name__ == "__main__":
    main()
