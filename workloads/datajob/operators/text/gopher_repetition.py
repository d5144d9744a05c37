"""gopherRepetition: reject documents by the repetition rules of Gopher."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from datajob.operators.base import Bound, Filter, Verdict
from datajob.operators.measures import bounds_of
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.parameters import Column, Parameters

if TYPE_CHECKING:
    from datajob.operators.base import Batch, Measures

PARTS = ("duplicate_paragraphs", "duplicate_paragraph_characters", "duplicate_lines", "duplicate_line_characters")
"""Ratios whose limits are named `max_...`, in the order of the rules."""


class SequenceLimit(Parameters):
    """Limit for sequences of a number of words."""

    words: int = Field(ge=1, le=100, description="Length of the sequences in words.")
    max: float = Field(ge=0, description="Maximum ratio of characters in these sequences.")


def _ascending(limits: tuple[SequenceLimit, ...]) -> tuple[SequenceLimit, ...]:
    sizes = [limit.words for limit in limits]
    if sizes != sorted(set(sizes)):
        raise ValueError(f"sequence lengths must be strictly ascending, but are {sizes}")
    return limits


SequenceLimits = Annotated[tuple[SequenceLimit, ...], Field(max_length=20), AfterValidator(_ascending)]


def _limits(**shares: float) -> tuple[SequenceLimit, ...]:
    return tuple(SequenceLimit(words=int(name[1:]), max=share) for name, share in shares.items())


class GopherRepetition(Filter):
    """Reject documents with repeated lines, paragraphs or sequences of words, by the repetition rules of Gopher.

    Rules, defaults, order and names are those of Rae et al. 2021 (arXiv:2112.11446), as implemented by datatrove. A row is
    rejected by the first rule that fails. Characters are code points.

    Example:

        - gopherRepetition: {maxDuplicateLines: 0.2}
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column.")
    tokenizer: Tokenizer = "unicode"
    max_duplicate_lines: float = Field(default=0.3, ge=0, description="Maximum ratio of lines that repeat an earlier line.")
    max_duplicate_paragraphs: float = Field(
        default=0.3, ge=0, description="Maximum ratio of paragraphs, separated by empty lines, that repeat an earlier one."
    )
    max_duplicate_line_characters: float = Field(
        default=0.2, ge=0, description="Maximum ratio of characters in repeated lines."
    )
    max_duplicate_paragraph_characters: float = Field(
        default=0.2, ge=0, description="Maximum ratio of characters in repeated paragraphs."
    )
    top_sequences: SequenceLimits = Field(
        default=_limits(n2=0.2, n3=0.18, n4=0.16), description="Limits for the most frequent sequence of each length."
    )
    duplicate_sequences: SequenceLimits = Field(
        default=_limits(n5=0.15, n6=0.14, n7=0.13, n8=0.12, n9=0.11, n10=0.10),
        description="Limits for all repeated sequences of each length.",
    )

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        import numpy as np

        from datajob.operators.kernels.repetition import gopher_repetition
        from datajob.operators.kernels.sequences import scratch_for
        from datajob.operators.strings.column import frozen, longest, text_of

        codes = np.zeros(len(batch), dtype=np.int8)
        limits = (
            self.max_duplicate_paragraphs,
            self.max_duplicate_paragraph_characters,
            self.max_duplicate_lines,
            self.max_duplicate_line_characters,
        )
        text, words = text_of(batch, self.column), words_of(batch, self.column, self.tokenizer)
        scratch = scratch_for(longest(words.rows), longest(words.break_rows) + 1, longest(text.offsets))
        gopher_repetition(
            text,
            words,
            frozen(limits, "f8"),
            frozen([limit.words for limit in self.top_sequences], "i8"),
            frozen([limit.max for limit in self.top_sequences], "f8"),
            frozen([limit.words for limit in self.duplicate_sequences], "i8"),
            frozen([limit.max for limit in self.duplicate_sequences], "f8"),
            scratch,
            codes,
        )
        return Verdict(codes, self.reasons())

    def reasons(self) -> tuple[str, ...]:
        """The names of the rules in datatrove, in the order of the rules."""
        lines = ("empty", "dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac")
        top = (f"top_{limit.words}_gram" for limit in self.top_sequences)
        duplicate = (f"duplicated_{limit.words}_n_grams" for limit in self.duplicate_sequences)
        return (*lines, *top, *duplicate)

    def bounds(self) -> tuple[Bound, ...]:
        """Every limit, in the order of the rules."""
        top, duplicate = self._sequences()
        of_top = (Bound(f"topSequences[{i}].max", top[i], limit.max, False) for i, limit in enumerate(self.top_sequences))
        of_duplicate = (
            Bound(f"duplicateSequences[{i}].max", duplicate[i], limit.max, False)
            for i, limit in enumerate(self.duplicate_sequences)
        )
        return (*bounds_of(self, [(f"max_{part}", part) for part in PARTS]), *of_top, *of_duplicate)

    def measures(self, batch: Batch) -> Measures:
        """The measures that the limits apply to; 0 for an empty text."""
        import numpy as np

        from datajob.operators.kernels.measures import repetition_measures
        from datajob.operators.kernels.sequences import scratch_for
        from datajob.operators.strings.column import frozen, longest, text_of

        text, words = text_of(batch, self.column), words_of(batch, self.column, self.tokenizer)
        top, duplicate = self._sequences()
        names = (*PARTS, *top, *duplicate)
        found = np.zeros((len(batch), len(names)))
        repetition_measures(
            text,
            words,
            frozen([limit.words for limit in self.top_sequences], "i8"),
            frozen([limit.words for limit in self.duplicate_sequences], "i8"),
            scratch_for(longest(words.rows), longest(words.break_rows) + 1, longest(text.offsets)),
            found,
        )
        return dict(zip(names, found.T, strict=True))

    def _sequences(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names of the measures of the most frequent and of repeated sequences."""
        top = tuple(f"top_{limit.words}_words" for limit in self.top_sequences)
        return top, tuple(f"duplicate_{limit.words}_words" for limit in self.duplicate_sequences)
