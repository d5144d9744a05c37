"""C4's rules: lines and documents."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators.base import Batch, Bound, Filter, Verdict
from datajob.operators.strings.column import Character
from datajob.operators.strings.words import Tokenizer, words_of
from datajob.parameters import Column

if TYPE_CHECKING:
    from datajob.operators.base import Measures

POLICY_PHRASES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class C4Quality(Filter):
    """Removes bad lines and drops documents by the rules of C4; the good lines become the text.

    The rules and defaults of Raffel et al. 2020 (arXiv:1910.10683) as datatrove applies them: lines (as
    `str.splitlines`) go that have a word that is too long, do not end in an end mark, have too few words, mention
    javascript or a policy; documents go with "lorem ipsum", `{` or too few sentences in the lines that are left.
    Words of lines are what white space separates; with `unicode` Chinese characters and the like are words, too.
    Kept lines are stripped and joined by newlines. For other languages than English set `lineEndMarks` and
    `policyPhrases` (`["。", "！", "？", "”"]`, `["隐私政策"]`).

    Example:

        - c4Quality: {minSentences: 3, curlyBracket: false}
    """

    infallible: ClassVar[bool] = True

    column: Column = Field(default="text", description="The text; replaced by its good lines.")
    tokenizer: Tokenizer = "unicode"
    remove_citations: bool = Field(default=True, description="Remove `[1]`, `[]`, `[edit]`, `[citation needed]` from lines.")
    require_line_end_mark: bool = Field(
        default=True, description="Remove lines that end in no mark of `lineEndMarks` or in `...`."
    )
    line_end_marks: tuple[Character, ...] = Field(
        default=(".", "?", "!", '"', "'"), max_length=100, description="Characters a line may end in."
    )
    min_words_per_line: int = Field(default=3, ge=0, description="Remove lines with fewer words; 0 keeps empty lines too.")
    max_word_length: int = Field(default=1000, ge=1, description="Remove lines with a longer word, characters.")
    min_sentences: int = Field(default=5, ge=0, description="Drop documents with fewer sentences left.")
    lorem_ipsum: bool = Field(default=True, description='Drop documents with "lorem ipsum".')
    javascript: bool = Field(default=True, description='Remove lines with "javascript".')
    curly_bracket: bool = Field(default=True, description="Drop documents with `{`.")
    policy: bool = Field(default=True, description="Remove lines with a phrase of `policyPhrases`.")
    policy_phrases: tuple[str, ...] = Field(
        default=POLICY_PHRASES, max_length=1000, description="Phrases of notices; ASCII letters match in both cases."
    )

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch` and write the text that is left."""
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
        """The sentences in the lines that would be left, were no document dropped."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.kernels.measures import sentences_of_lines
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import text_of

        lenient = self.model_copy(update={"min_sentences": 0, "lorem_ipsum": False, "curly_bracket": False})
        left = lenient.keep(batch).columns
        found = np.zeros(len(batch), np.int64)
        sentences_of_lines(text_of(Batch(pa.table(dict(left)), batch.alive), self.column), classes(), found)
        return {"sentences_in_good_lines": found}


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
