"""speechQuality: the ratings of DNSMOS P.835."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from datajob.errors import InvalidJob
from datajob.media.audio_types import Form
from datajob.operators.audio._mos import QualityMeter
from datajob.operators.audio.speech_quality import SpeechQuality
from tests.support.sounds import file, measure, noise, reasons, silence

SPEECH = Path(__file__).parents[3] / "manifests" / "samples" / "data" / "speech"
GOOD, NOISY = str(SPEECH / "harvard-1.ogg"), str(SPEECH / "noisy.ogg")
FOLDER = Path(importlib.util.find_spec("speechmos").origin or "").parent  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def reference() -> Any:
    """speechmos, whose second model alone needs librosa."""
    for name in ("librosa", "requests"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules["requests"].session = None  # type: ignore[attr-defined]
    try:
        from speechmos.dnsmos import DNSMOS
    finally:
        for name in ("librosa", "requests"):
            if not getattr(sys.modules[name], "__file__", None):
                del sys.modules[name]
    model = str(FOLDER / "dnsmos_models" / "sig_bak_ovr.onnx")
    rates = DNSMOS(model, str(FOLDER / "dnsmos_models" / "model_v8.onnx"))
    rates.audio_melspec = lambda audio: np.zeros((900, 120))
    rates.p808_onnx_sess = SimpleNamespace(run=lambda *_: [[[0.0]]])
    return lambda samples: rates(samples, 16_000, False)


def rated(samples: np.ndarray, hop: float, block: int = 65_536) -> dict[str, float]:
    meter = QualityMeter(Form(16_000, 1), None, hop)
    for start in range(0, len(samples), block):
        meter.add(np.ascontiguousarray(samples[start : start + block, None]))
    return meter.value()


@pytest.mark.parametrize("seconds", [1.3, 6, 12.4])
def test_ratings_are_those_of_speechmos(seconds: float, reference: Any) -> None:
    samples = soundfile.read(GOOD, dtype="float32")[0][: int(seconds * 16_000)]
    expected, found = reference(samples), rated(samples, 1)
    for name, other in (("overall", "ovrl_mos"), ("signal", "sig_mos"), ("background", "bak_mos")):
        assert found[name] == pytest.approx(expected[other], abs=1e-4)
    assert rated(samples, 1, block=999) == pytest.approx(found)


@pytest.mark.parametrize("hop", [0.5, 4, 9.01, 12])
def test_windows_start_every_hop(hop: float, monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[float] = []
    meter = QualityMeter(Form(16_000, 1), None, hop)
    meter._network = lambda window: (starts.append(float(window[0]) * 1e7), np.ones(3))[1]  # type: ignore[assignment]
    ramp = np.arange(40 * 16_000, dtype=np.float32)[:, None] / 1e7
    for start in range(0, len(ramp), 50_000):
        meter.add(ramp[start : start + 50_000])
    assert set(meter.value()) == {"signal", "background", "overall"}
    assert starts == pytest.approx([at * hop * 16_000 for at in range(math.floor((40 - 10) / hop) + 1)], abs=1)


def test_good_speech_is_kept_and_noisy_speech_is_rejected() -> None:
    assert reasons(SpeechQuality(), GOOD, NOISY, __file__) == [None, "speech_quality_too_low", "notAudio"]
    assert 1 <= measure(SpeechQuality(rating="background"), NOISY)[0] < 1.2


def test_any_form_has_ratings_and_empty_audio_has_none() -> None:
    loud = file(noise(1, rate=44_100, level=3, channels=2), rate=44_100, subtype="FLOAT")
    found = measure(SpeechQuality(), loud, file(silence(0.01)), file(silence(0)))
    assert all(1 <= rating < 5 for rating in found[:2]) and math.isnan(found[2])


def test_another_model_can_be_given_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    personalized = str(FOLDER / "pdnsmos_models" / "sig_bak_ovr.onnx")
    assert measure(SpeechQuality(model=personalized), NOISY) != measure(SpeechQuality(), NOISY)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InvalidJob, match=r"bad.onnx is not a DNSMOS P.835 model"):
        SpeechQuality(model=str(tmp_path / "bad.onnx")).resolved()
    with pytest.raises(InvalidJob, match=r"model_v8.onnx is not a DNSMOS"):
        SpeechQuality(model=str(FOLDER / "dnsmos_models" / "model_v8.onnx")).resolved()
    with pytest.raises(InvalidJob, match=r"missing\.onnx"):
        SpeechQuality(model=str(tmp_path / "missing.onnx")).resolved()
