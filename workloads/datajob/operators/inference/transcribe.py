"""transcribe: recognize speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.operators.inference._engines.base import SpeechOptions
from datajob.operators.inference._speech_model import Heard, SpeechModel
from datajob.parameters import FilePath, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.inference._engines.speech import SpeechEngine


class Transcribe(SpeechModel):
    """Transcribe the speech in audio with a Whisper model.

    Audio longer than the window of the model, 30 seconds, is cut where silero-vad finds the least speech, and decoded part by
    part, so that recordings can have any duration. The language is detected in the first window with speech, unless `language`
    is set. Windows without speech are skipped, because models invent text for silence; a transcript without speech is empty.
    The text of a window is that of transformers' `generate` for the same features. `transcriptQuality` rejects transcripts that
    are probably invented.

    `wordsColumn` contains the words with their start and end in seconds since the start of the audio, or of the clip of a
    reference such as `a.flac#t=12.5,20`. They are estimated from the attention of the model, to about 0.1 seconds.

    Example:

        - transcribe: {model: openai/whisper-large-v3, wordsColumn: words, languageColumn: language}
        - transcriptQuality: {}
    """

    model: FilePath = Field(
        default="openai/whisper-large-v3",
        description="Whisper model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` and must "
        "be accessible to every worker.",
    )
    language: str | None = Field(
        default=None, min_length=2, description="Code of the language, such as `en`. By default, it is detected for each row."
    )
    translate: bool = Field(default=False, description="Translate to English instead of transcribing.")
    beams: int = Field(
        default=1, ge=1, le=32, description="Number of beams of the search; 1 always takes the most likely token."
    )
    skip_silence: bool = Field(default=True, description="Skip windows in which silero-vad finds no speech.")
    max_new_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="Maximum number of tokens per window. By default, that of the model."
    )
    output: NewColumn = Field(default="transcript", description="Column (string) for the transcript.")
    language_column: NewColumn | None = Field(
        default=None, description="Column (string) for the code of the language; null if there is no speech."
    )
    words_column: NewColumn | None = Field(
        default=None, description="Column (list of structs of `word`, `start` and `end`) for the words and their times."
    )
    no_speech_column: NewColumn | None = Field(
        default=None,
        description="Column (double) for the probability that the audio contains no speech: the mean of all windows, and 1 if "
        "all are skipped.",
    )

    def speech_options(self, model: SpeechEngine) -> SpeechOptions:
        """The parameters. Raises InvalidJob for a language that the model does not have."""
        language = self.language
        if not model.languages:
            if language not in (None, "en") or self.translate:
                raise InvalidJob(f"`transcribe`: the model {self.model} only transcribes English. Use a multilingual model.")
            language = None
        elif language is not None and language not in model.languages:
            raise InvalidJob(
                f"`transcribe`: the model {self.model} has no language `{language}`. Its languages are "
                f"{', '.join(sorted(model.languages))}."
            )
        if self.words_column is not None and not model.aligns:
            raise InvalidJob(
                f"`transcribe`: the model {self.model} has no times of words, because its generation config has no "
                "`alignment_heads`. Remove `wordsColumn`, or use another model."
            )
        return SpeechOptions(True, language, self.translate, self.beams, self.words_column is not None)

    def max_tokens(self) -> int:
        """The parameter `maxNewTokens`."""
        return self.max_new_tokens or super().max_tokens()

    def silence_is_skipped(self) -> bool:
        """The parameter `skipSilence`."""
        return self.skip_silence

    def finish(self, rows: Sequence[list[Heard] | None]) -> dict[str, pa.Array]:
        """Transcripts, languages and words."""
        import pyarrow as pa

        columns: dict[str, Any] = {self.output: pa.array([_text(row) for row in rows], pa.string())}
        if self.language_column:
            languages = [row[0].answer.language if row else None for row in rows]
            columns[self.language_column] = pa.array(languages, pa.string())
        if self.words_column:
            kind = pa.struct([("word", pa.string()), ("start", pa.float64()), ("end", pa.float64())])
            columns[self.words_column] = pa.array([_words(row) for row in rows], pa.list_(kind))
        if self.no_speech_column:
            columns[self.no_speech_column] = pa.array([_no_speech(row) for row in rows], pa.float64())
        return columns


def _text(row: Sequence[Heard] | None) -> str | None:
    return None if row is None else "".join(heard.answer.text for heard in row).strip()


def _no_speech(row: Sequence[Heard] | None) -> float | None:
    if row is None:
        return None
    return sum(heard.answer.no_speech for heard in row) / len(row) if row else 1.0


def _words(row: Sequence[Heard] | None) -> list[dict[str, Any]] | None:
    if row is None:
        return None
    return [
        {
            "word": word["word"].strip(),
            "start": round(heard.start + word["start"], 3),
            "end": round(heard.start + word["end"], 3),
        }
        for heard in row
        for word in heard.answer.words or ()
    ]
