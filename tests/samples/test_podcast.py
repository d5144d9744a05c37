"""The sample that turns podcast episodes into clean speech."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from datajob.formats.webdataset import WebdatasetReader
from datajob.operators.audio.loudness import Loudness
from tests.samples.conftest import Sample
from tests.support.sounds import file, measure, noise, silence, sine

SPEECH = Path(__file__).parents[2] / "manifests" / "samples" / "data" / "speech"
RATE = 16_000


def spoken(name: str) -> np.ndarray[Any, Any]:
    return soundfile.read(SPEECH / f"{name}.ogg", dtype="float32", always_2d=True)[0]


@pytest.fixture
def episode(tmp_path: Path) -> Path:
    """An episode in MP3, stereo, with music, silence, a quiet speaker, and a sentence with loud noise."""
    music = (sine(262, 4) + sine(330, 4) + sine(392, 4)) / 2
    hund = spoken("hund")
    parts = [music, spoken("harvard-1"), silence(3), spoken("harvard-2"), music, hund + noise(len(hund) / RATE, level=-15)]
    folder = tmp_path / "podcasts"
    folder.mkdir()
    (folder / "episode.mp3").write_bytes(file(np.repeat(np.concatenate(parts), 2, axis=1), "mp3"))
    (folder / "broken.mp3").write_bytes(b"ID3 broken")
    return folder


def test_podcast_has_the_sentences_without_music_and_noise(episode: Path, sample: Sample) -> None:
    ran = sample("podcast.yaml", f"spec.sources[0].audio.paths=[{episode}]")
    assert ran.report.progress.rows_failed == 1
    rows = ran.rows(reader=WebdatasetReader)
    assert len(rows) == 3, "two sentences, and that of the quiet speaker"
    for row in rows:
        with soundfile.SoundFile(io.BytesIO(row["flac"])) as sound:
            assert (sound.samplerate, sound.channels) == (24_000, 1) and 5 < len(sound) / 24_000 < 7
        assert '"dnsmos"' in row["json"] and '"start"' in row["json"]
    quiet, *others = sorted(measure(Loudness(), *(row["flac"] for row in rows)))
    assert all(-21 < loudness < -15 for loudness in others), (quiet, others)  # the peak limits the gain
    assert -35 < quiet < -28, "the quiet speaker is amplified by 20 dB at most"
