"""boilerplateRatio: keep rows by the ratio of boilerplate."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.measures import share
from datajob.operators.text._line_rules import POLICY_PHRASES
from datajob.operators.text._measure import TextMeasure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch


class BoilerplateRatio(TextMeasure):
    """Keep rows by the ratio of paragraphs or lines that contain a boilerplate phrase, such as "privacy policy".

    The default phrases are those of C4, the default maximum is that of NeMo Curator. Blank lines separate paragraphs. A
    phrase must be on one line to match.

    Example:

        - boilerplateRatio: {unit: line, phrases: [隐私政策, 版权所有]}
    """

    max: float = Field(default=0.4, ge=0, description="Maximum ratio.")
    unit: Literal["paragraph", "line"] = Field(default="paragraph", description="Unit to count; blank lines are ignored.")
    phrases: tuple[str, ...] = Field(
        default=POLICY_PHRASES,
        min_length=1,
        max_length=1000,
        description="Boilerplate phrases; ASCII letters match regardless of case.",
    )

    def measure(self, batch: Batch) -> NDArray[Any]:
        """The ratio of each row."""
        import numpy as np

        from datajob.operators.kernels.parts import parts_with_phrases
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of

        counts = np.zeros((len(batch), 2), dtype=np.int64)
        parts_with_phrases(text_of(batch, self.column), classes(), self.unit == "paragraph", _compiled(self.phrases), counts)
        return share(counts[:, 1], counts[:, 0])


@cache
def _compiled(phrases: tuple[str, ...]) -> Any:
    from datajob.operators.kernels.phrases import compile_phrases

    return compile_phrases([(phrase, 1) for phrase in phrases])
