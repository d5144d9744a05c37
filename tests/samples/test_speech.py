"""The sample that prepares recordings as a speech corpus."""

import io

import soundfile

from datajob.formats.webdataset import WebdatasetReader
from datajob.operators.audio.loudness import Loudness
from tests.samples.conftest import Sample
from tests.support.sounds import measure


def test_speech_corpus_has_the_utterances_of_good_recordings(sample: Sample) -> None:
    ran = sample("speech-corpus.yaml")
    assert ran.rejected() == {"loudness_too_low": 2, "loudness_too_high": 1, "snr_too_low": 1}
    assert ran.report.progress.rows_out == 3
    for row in ran.rows(reader=WebdatasetReader):
        with soundfile.SoundFile(io.BytesIO(row["flac"])) as sound:
            assert (sound.samplerate, sound.channels) == (16_000, 1) and 5 < len(sound) / 16_000 < 7
        assert -23.2 < measure(Loudness(), row["flac"])[0] < -22.8
        assert '"start"' in row["json"] and '"codec"' not in row["json"]
