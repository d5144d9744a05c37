"""speechQuality: keep rows whose speech sounds good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.audio_steps import SampleFilter, min_max
from datajob.parameters import FilePath

if TYPE_CHECKING:
    from datajob.media.audio_types import Form
    from datajob.operators.media.sounds import Meter, Sound


class SpeechQuality(SampleFilter):
    """Keep rows by the quality of their speech, as listeners would rate it from 1 to 5: DNSMOS P.835, without a reference.

    The network is that of Microsoft's package `speechmos`, which contains it. It rates windows of 9.01 seconds, shorter audio
    is repeated, and the mean counts. Ratings equal those of `speechmos` for the same windows; it uses `hop: 1`, which takes
    nine times as long as the default, and which Emilia uses with a minimum of 3. Ratings of music are low.

    Example:

        - speechQuality: {min: 3, output: dnsmos}
    """

    min: float | None = Field(default=3.0, description="Minimum rating.")
    max: float | None = Field(default=None, description="Maximum rating.")
    rating: Literal["overall", "signal", "background"] = Field(
        default="overall", description="What is rated: the audio overall, distortions of the speech, or background noise."
    )
    hop: float = Field(default=9.01, ge=0.1, le=600, description="Seconds between the starts of two windows.")
    model: FilePath | None = Field(
        default=None, description="Path or URL of another DNSMOS P.835 model (ONNX); by default, that of `speechmos`."
    )

    def required(self) -> Mapping[str, str]:
        """The package with the network, unless `model` is set."""
        packages = {"soxr": "soxr", "onnxruntime": "onnxruntime"}
        return {**super().required(), **packages, **({} if self.model else {"speechmos": "speechmos"})}

    def resolved(self) -> Self:
        """The step itself. Raises InvalidJob if a package is not installed, or `model` cannot be loaded."""
        found = super().resolved()
        if self.model is not None:
            from datajob.operators.audio._mos import network
            from datajob.operators.files import local_copy

            network(local_copy(self.model))
        return found

    def meter(self, form: Form) -> Meter:
        """The network."""
        from datajob.operators.audio._mos import QualityMeter
        from datajob.operators.files import local_copy

        return QualityMeter(form, None if self.model is None else local_copy(self.model), self.hop)

    def measure(self, sound: Sound) -> float:
        """The chosen rating."""
        return float(sound.measured(self)[self.rating])

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "speech_quality")
