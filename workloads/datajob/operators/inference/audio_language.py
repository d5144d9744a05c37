"""audioLanguage: keep rows by the language that is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.media.values import is_list
from datajob.operators.base import Batch, Bound, Measures, ModelFilter, Verdict
from datajob.operators.inference._engines.base import Answer, SpeechOptions
from datajob.operators.inference._speech_model import Heard, SpeechModel
from datajob.operators.operator import Order
from datajob.parameters import FilePath, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.inference._engines.speech import SpeechEngine

NO_SPEECH = "und"
_SILENCE = Answer(language=NO_SPEECH)
_LANGUAGE, _SCORE = "_audioLanguage", "_audioLanguage-score"


class AudioLanguage(SpeechModel, ModelFilter):
    """Keep rows by the language that is spoken and its probability, with a Whisper model, and add both as columns.

    The language is that of the first window of 30 seconds with speech. Audio in which silero-vad finds no speech has the
    language `und` and probability 0. Emilia keeps a probability of at least 0.8.

    If `transcribe` has the same `model`, `revision`, `dtype` and `batchRows`, both steps share one copy of the model.

    Example:

        - audioLanguage: {model: openai/whisper-large-v3, languages: [en, de], min: 0.8}
    """

    model: FilePath = Field(
        default="openai/whisper-large-v3",
        description="Multilingual Whisper model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or "
        "`~` and must be accessible to every worker.",
    )
    languages: tuple[str, ...] = Field(
        default=(), max_length=200, description="Codes of the languages to keep, such as `en`; empty for all."
    )
    min: float | None = Field(default=0.8, ge=0, le=1, description="Minimum probability.")
    keep_if: Literal["any", "all"] = Field(
        default="any", alias="keep", description="Whether `any` or `all` items of a list must have such a language."
    )
    output: NewColumn | None = Field(default="language", description="Column (string) for the code of the language.")
    score_output: NewColumn | None = Field(default="language_score", description="Column (double) for the probability.")

    def speech_options(self, model: SpeechEngine) -> SpeechOptions:
        """No transcript. Raises InvalidJob for languages that the model does not have."""
        if not model.languages:
            raise InvalidJob(f"`audioLanguage`: the model {self.model} only recognizes English. Use a multilingual model.")
        unknown = sorted(set(self.languages) - {*model.languages, NO_SPEECH})
        if unknown:
            raise InvalidJob(
                f"`audioLanguage`: the model {self.model} has no language `{unknown[0]}`. Its languages are "
                f"{', '.join(sorted(model.languages))}."
            )
        return SpeechOptions(transcribe=False)

    def first_only(self) -> bool:
        """One window is enough."""
        return True

    def only_measuring(self, column: str) -> AudioLanguage:
        """This step without a decision: it writes the probability to a column."""
        copy = self.model_copy(update={"languages": (), "min": None, "output": None, "score_output": column})
        copy._measures_only = True
        return copy

    def measuring_from(self, column: str) -> AudioLanguage:
        """This step with its probabilities in another column."""
        return self.model_copy(update={"score_output": column})

    def outputs(self, columns: Order) -> Order | None:
        """The columns before this step, and those that are set."""
        return tuple(dict.fromkeys((*columns, *filter(None, (self.output, self.score_output)))))

    def _columns(self) -> tuple[str, str]:
        return self.output or _LANGUAGE, self.score_output or _SCORE

    def finish(self, rows: Sequence[list[Heard] | None]) -> dict[str, pa.Array]:
        """Languages and probabilities."""
        import pyarrow as pa

        languages, scores = self._columns()
        first = [None if row is None else row[0].answer if row else _SILENCE for row in rows]
        return {
            languages: pa.array([answer and answer.language for answer in first], pa.string()),
            scores: pa.array([answer and answer.language_probability for answer in first], pa.float64()),
        }

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row by its language, or by those of the items of its list."""
        import numpy as np

        languages, scores = (batch.array(name).to_pylist() for name in self._columns())
        lists = is_list(batch.array(self._columns()[0]).type)
        codes = np.zeros(len(batch), dtype=np.int8)
        for row, (language, score) in enumerate(zip(languages, scores, strict=True)):
            heard = zip(language or (), score or (), strict=True) if lists else [(language, score)]
            items = [self._code(*item) for item in heard if not lists or item[0] is not None]
            passed = not any(items) if self.keep_if == "all" else not items or 0 in items
            codes[row] = 0 if passed else next(code for code in items if code)
        return Verdict(codes, ("other_language", "language_uncertain"))

    def _code(self, language: str | None, score: float | None) -> int:
        """0, or the number of the reason."""
        if self.languages and language not in self.languages:
            return 1
        return 2 if self.min is not None and score is not None and score < self.min else 0

    def bounds(self) -> tuple[Bound, ...]:
        """The minimum probability."""
        return () if self.min is None else (Bound("min", "score", self.min, is_minimum=True),)

    def measures(self, batch: Batch) -> Measures:
        """The probabilities that the model has written: of a list, that of its first item. None if it has not run."""
        import numpy as np
        import pyarrow as pa

        name = self._columns()[1]
        if name not in batch.table.column_names:
            return {}
        values = batch.array(name).to_pylist()
        first = [(value[0] if value else None) if isinstance(value, list) else value for value in values]
        return {"score": pa.array(first, pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)}
