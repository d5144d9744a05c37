"""Audio in windows for speech models: cut where speech is least probable, decoded in groups."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from datajob.errors import plain
from datajob.media.audio_types import Form
from datajob.operators.base import Batch
from datajob.operators.media.sounds import Enough
from datajob.operators.media.speech_windows import Group, SpeechWindows, WindowMeter
from tests.support.sounds import batch, file, noise, silence

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"
RATE = 16_000


def spoken(name: str = "harvard-1") -> np.ndarray[Any, Any]:
    return soundfile.read(SPEECH / f"{name}.ogg", dtype="float32", always_2d=True)[0]


def cut(samples: np.ndarray[Any, Any], window: float, group: float, block: int = 7919) -> Group:
    meter = WindowMeter(Form(RATE, 1), round(window * RATE), round(group * RATE))
    try:
        for start in range(0, len(samples), block):
            meter.add(np.ascontiguousarray(samples[start : start + block]))
    except Enough:
        pass
    return meter.value()


def test_audio_that_fits_is_one_window_with_its_samples() -> None:
    samples = spoken()
    [window] = cut(samples, 30, 60).windows
    assert window.start == 0 and window.speech and np.array_equal(window.samples, samples[:, 0])
    assert not cut(silence(3), 30, 60).windows[0].speech
    assert cut(silence(0), 30, 60) == Group([], None)


@pytest.mark.parametrize("window", [2, 3.3, 10])
def test_windows_cover_long_audio_and_are_cut_in_pauses(window: float) -> None:
    samples = np.concatenate([spoken(), spoken("harvard-2")] * 2)
    group = cut(samples, window, 600)
    assert group.next is None
    assert np.array_equal(np.concatenate([each.samples for each in group.windows]), samples[:, 0])
    assert all(window / 2 - 0.04 <= len(each.samples) / RATE <= window for each in group.windows[:-1])
    for before, after in pairwise(group.windows):
        assert after.start == pytest.approx(before.start + len(before.samples) / RATE)
    edges = [round(each.start * RATE) for each in group.windows[1:]]
    if window == 10:  # long enough to contain a pause
        assert all(np.abs(samples[edge : edge + 512]).max() < 0.05 for edge in edges)


def test_groups_continue_where_the_last_one_ended() -> None:
    samples = np.concatenate([spoken(), spoken("hund")] * 3)
    found, position = [], 0.0
    while True:
        group = cut(samples[round(position * RATE) :], 4, 20)
        found += [(position + window.start, window.samples) for window in group.windows]
        if group.next is None:
            break
        assert 0 < group.next <= 20
        position += group.next
    assert np.array_equal(np.concatenate([part for _, part in found]), samples[:, 0])
    assert [round(start * RATE) for start, _ in found] == np.cumsum([0, *(len(part) for _, part in found[:-1])]).tolist()


def test_any_form_becomes_mono_at_16_khz() -> None:
    stereo = file(noise(5, rate=44_100, channels=2), "flac", rate=44_100)
    [group] = SpeechWindows(window=2, group=60).signed(batch([stereo]))
    assert sum(len(window.samples) for window in group.windows) == 5 * RATE
    assert {window.samples.dtype for window in group.windows} == {np.dtype(np.float32)}


def test_only_the_group_is_decoded_and_a_truncated_end_is_found_by_the_last_one(tmp_path: Path) -> None:
    data = file(noise(20, rate=RATE), "flac")
    (tmp_path / "a.flac").write_bytes(data[: len(data) * 9 // 10])
    path = str(tmp_path / "a.flac")
    rows = Batch(pa.table({"audio": [path, f"{path}#t=15", f"{path}#t=1,3", str(tmp_path / "none.flac")]}))
    first, last, clip, missing = SpeechWindows(window=2, group=5).signed(rows)
    assert first.next is not None and sum(len(window.samples) for window in clip.windows) == 2 * RATE
    assert last is None and missing is None
    assert {row: plain(why).partition(":")[0] for row, why in rows.failures.items()} == {1: "truncated", 3: "notFound"}
