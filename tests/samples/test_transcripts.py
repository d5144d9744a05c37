"""The sample that compares recordings with their texts, with a tiny speech model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import jiwer
import pytest

from datajob.operators.audio._transcripts import plain_text
from tests.samples.conftest import Sample

SPEECH = Path(__file__).parents[2] / "manifests" / "samples" / "data" / "speech"
TEXTS = {"one": "the birch canoe slid on the smooth planks", "two": "glue the sheet to the dark blue background"}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two sentences, spoken by espeak-ng where it is installed, a silent recording, and one that does not exist."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    for (name, text), stored in zip(TEXTS.items(), ("harvard-1", "harvard-2"), strict=True):
        if shutil.which("espeak-ng"):
            subprocess.run(["espeak-ng", "-v", "en", "-w", str(folder / f"{name}.wav"), text], check=True)
        else:
            shutil.copy(SPEECH / f"{stored}.ogg", folder / f"{name}.wav")
    shutil.copy(SPEECH / "silence.ogg", folder / "silence.ogg")
    paths = {"one.wav": TEXTS["one"], "two.wav": TEXTS["two"], "silence.ogg": "nothing", "missing.wav": "nothing"}
    lines = [json.dumps({"audio_filepath": path, "text": text}) for path, text in paths.items()]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_speech_transcripts_compares_recordings_with_their_texts(recordings: Path, whisper: Path, sample: Sample) -> None:
    overrides = [f"spec.sources[0].json.paths=[{recordings}/manifest.jsonl]"]
    steps = ("audioDuration", "loudness", "silenceRatio", "snr", "resampleAudio", "normalizeLoudness")
    overrides += [f"spec.steps[{at}].{step}.folder={recordings}" for at, step in enumerate(steps)]
    overrides += [f"spec.steps[6].audioLanguage.model={whisper}", f"spec.steps[7].transcribe.model={whisper}"]
    overrides += ["spec.steps[6].audioLanguage.languages=[]", "spec.steps[6].audioLanguage.min=0"]
    overrides += ["spec.steps[8].transcriptQuality.minUniqueWords=0", "spec.steps[8].transcriptQuality.maxCompression=100"]
    overrides += ["spec.steps[9].wordErrorRate.max=100"]
    ran = sample("speech-transcripts.yaml", *overrides)
    assert ran.report.progress.rows_failed == 1 and ran.rejected() == {"loudness_too_low": 1}
    rows = ran.rows()
    assert [row["text"] for row in rows] == list(TEXTS.values())
    for row in rows:
        assert row["wer"] == pytest.approx(jiwer.wer(row["text"], plain_text(row["transcript"])))
        assert 0 < row["no_speech"] < 0.6 and row["seconds"] > 2 and row["snr"] > 10
        assert row["language"] in ("en", "de", "fr", "zh") and row["audio_filepath"]["bytes"][:4] == b"fLaC"
