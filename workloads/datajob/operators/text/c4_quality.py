"""c4Quality: remove lines and reject documents by the rules of C4."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.base import Batch, Bound, Filter, Verdict
from datajob.operators.strings.words import words_of
from datajob.operators.text._line_rules import POLICY_PHRASES, LineRules
from datajob.operators.text._sentences import Abbreviations, abbreviations
from datajob.parameters import Column

if TYPE_CHECKING:
    from datajob.operators.base import Measures


class C4Quality(LineRules, Filter):
    """Remove low-quality lines and reject documents by the rules of C4.

    Rules and defaults are those of Raffel et al. 2020 (arXiv:1910.10683), as implemented by datatrove. A line (as in
    `str.splitlines`) is removed if it contains a word that is too long, does not end in an end mark, has too few words, or
    mentions JavaScript or a policy. A document is rejected if it contains "lorem ipsum" or `{`, or if the remaining lines
    have too few sentences. Sentences are those of `sentenceSplit`; with `tokenizer: whitespace`, they end at every end mark,
    as in datatrove. Words of a line are separated by whitespace; with `tokenizer: unicode`, each Chinese character
    and the like is also a word. The remaining lines are stripped and joined by newlines. For languages other than English,
    set `lineEndMarks` and `policyPhrases`, such as `["。", "！", "？", "”"]` and `["隐私政策"]`.

    Example:

        - c4Quality: {minSentences: 3, curlyBracket: false}
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="Text column; replaced by the remaining lines.")
    min_sentences: int = Field(default=5, ge=0, description="Minimum number of sentences in the remaining lines.")
    abbreviations: Abbreviations = ()
    lorem_ipsum: bool = Field(default=True, description='Reject documents that contain "lorem ipsum".')
    javascript: bool = Field(default=True, description='Remove lines that contain "javascript".')
    curly_bracket: bool = Field(default=True, description="Reject documents that contain `{`.")
    policy: bool = Field(default=True, description="Remove lines that contain a phrase of `policyPhrases`.")
    policy_phrases: tuple[str, ...] = Field(
        default=POLICY_PHRASES, max_length=1000, description="Policy phrases; ASCII letters match regardless of case."
    )

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`, and replace its text with the remaining lines."""
        import numpy as np

        from datajob.operators.kernels.c4 import REASONS, c4_quality
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import frozen, text_from, text_of

        text = text_of(batch, self.column)
        codes = np.zeros(len(batch), dtype=np.int8)
        out = np.empty(int(text.offsets[-1] - text.offsets[0]) + 1, dtype=np.uint8)
        ends = np.empty(len(batch) + 1, dtype=np.int64)
        c4_quality(
            text,
            classes(),
            *self._breaks(),
            words_of(batch, self.column, self.tokenizer),
            frozen((self.min_words_per_line, self.max_word_length, self.min_sentences), "i8"),
            frozen((self.remove_citations, self.require_line_end_mark), "?"),
            frozen([ord(mark) for mark in self.line_end_marks], "i8"),
            _phrases(self.lorem_ipsum, self.javascript, self.curly_bracket, self.policy_phrases if self.policy else ()),
            codes,
            out,
            ends,
        )
        return Verdict(codes, REASONS, {self.column: text_from(out, ends, batch.array(self.column))})

    def bounds(self) -> tuple[Bound, ...]:
        """`minSentences`."""
        return (Bound("minSentences", "sentences_in_good_lines", self.min_sentences, True),)

    def measures(self, batch: Batch) -> Measures:
        """The number of sentences in the remaining lines, also of documents that other rules reject."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.kernels.measures import sentences_of_lines
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of

        lenient = self.model_copy(update={"min_sentences": 0, "lorem_ipsum": False, "curly_bracket": False})
        left = lenient.keep(batch).columns
        found = np.zeros(len(batch), np.int64)
        sentences_of_lines(text_of(Batch(pa.table(dict(left)), batch.alive), self.column), classes(), *self._breaks(), found)
        return {"sentences_in_good_lines": found}

    def _breaks(self) -> tuple[Any, Any]:
        """The classes of characters and the abbreviations by which sentences are counted; none for those of datatrove."""
        from datajob.operators.kernels.sentence_classes import sentence_classes
        from datajob.operators.strings.column import frozen

        table = frozen((), "u1") if self.tokenizer == "whitespace" else sentence_classes()
        return table, abbreviations(self.abbreviations)


@cache
def _phrases(lorem_ipsum: bool, javascript: bool, curly_bracket: bool, policy: tuple[str, ...]) -> Any:
    from datajob.operators.kernels import c4
    from datajob.operators.kernels.phrases import compile_phrases

    rules = (
        ("lorem ipsum", c4.LOREM_IPSUM, lorem_ipsum),
        ("javascript", c4.JAVASCRIPT, javascript),
        ("{", c4.CURLY_BRACKET, curly_bracket),
        *((phrase, c4.POLICY, True) for phrase in policy),
    )
    return compile_phrases([(phrase, bit) for phrase, bit, wanted in rules if wanted])
