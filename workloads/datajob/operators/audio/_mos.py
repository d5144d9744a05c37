"""DNSMOS P.835: how listeners would rate speech. The network is that of the package speechmos (MIT)."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datajob.errors import InvalidJob
from datajob.media.audio_types import Form
from datajob.operators.media.effects import Conversion
from datajob.operators.media.meters import no_samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from datajob.media.audio_stream import Block

    Floats = NDArray[np.float32]

RATE, WINDOW_SECONDS = 16_000, 9.01
WINDOW = int(WINDOW_SECONDS * RATE)
_NEXT = 10 * RATE
"""Samples from the start of a window on without which it does not count, unless it is the first: as in speechmos."""
NAMES = ("signal", "background", "overall")
"""The ratings, in the order of the outputs of the network."""
_CURVES = (
    (-0.08397278, 1.22083953, 0.0052439),
    (-0.13166888, 1.60915514, -0.39604546),
    (-0.06766283, 1.11546468, 0.04602535),
)
"""From outputs of the network to ratings: coefficients of x², x and 1."""
_PACKAGE, _FILE = "speechmos", "dnsmos_models/sig_bak_ovr.onnx"


class QualityMeter:
    """The mean ratings of windows of 9.01 seconds. Shorter audio is repeated."""

    def __init__(self, form: Form, model: str | None, hop: float) -> None:
        import numpy as np

        target = Form(RATE, 1)
        self._conversion = None if form == target else Conversion(form, target, "HQ")
        self._network = network(model)
        self._hop = round(hop * RATE)
        self._rest = np.zeros(0, np.float32)
        self._sums = np.zeros(len(NAMES))
        self._windows = self._skip = 0

    def add(self, block: Block) -> None:
        """Rate complete windows."""
        self._add(block if self._conversion is None else self._conversion.process(block, last=False))

    def _add(self, block: Block) -> None:
        import numpy as np

        samples = np.concatenate([self._rest, block[:, 0]])
        samples, self._skip = samples[self._skip :], max(0, self._skip - len(samples))
        while len(samples) >= (_NEXT if self._windows else WINDOW):
            self._rate(samples[:WINDOW])
            samples, self._skip = samples[self._hop :], max(0, self._hop - len(samples))
        self._rest = samples

    def _rate(self, samples: Floats) -> None:
        import numpy as np

        found = self._network(np.clip(samples, -1, 1))
        self._sums += [np.polyval(curve, raw) for curve, raw in zip(_CURVES, found, strict=True)]
        self._windows += 1

    def value(self) -> dict[str, float]:
        """The ratings by name."""
        import numpy as np

        if self._conversion is not None:
            self._add(self._conversion.process(np.zeros((0, 1), np.float32), last=True))
        if not self._windows:
            if not len(self._rest):
                raise no_samples()
            samples = self._rest
            while len(samples) < WINDOW:
                samples = np.concatenate([samples, samples])
            self._rest = samples[:0]
            self._add(samples[:, None])
        return dict(zip(NAMES, (self._sums / self._windows).tolist(), strict=True))


class _Network:
    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            [self._input] = [each.name for each in self._session.get_inputs()]
            found = self(None)
        except Exception as error:  # onnxruntime raises its own kinds of RuntimeError
            raise InvalidJob(f"`speechQuality`: {path} is not a DNSMOS P.835 model in ONNX: {error}") from error
        if found.shape != (len(NAMES),):
            raise InvalidJob(f"`speechQuality`: {path} returns {found.shape} values, not the three ratings of DNSMOS P.835")

    def __call__(self, samples: Floats | None) -> Any:
        """The outputs for a window; `samples` are zeros by default."""
        import numpy as np

        window = np.zeros(WINDOW, np.float32) if samples is None else samples
        return np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(window[None])})[0])[0]


@lru_cache(4)
def network(model: str | None) -> _Network:
    """The network in a file, by default that of the package, loaded once per process."""
    return _Network(model or _packaged())


def _packaged() -> str:
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InvalidJob(f"the Python package `{_PACKAGE}` is not installed")
    return str(Path(spec.origin).parent / _FILE)
