"""Words, line breaks and counts as Python and Unicode have them."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.kernels import unicode as u
from datajob.operators.strings.words import Words, hashes_of, words_of
from tests.support.texts import batch_of, texts

NAMES = "OLNKCEJMDBIRPYVS"
EXTENDERS = "[EJS]*"
LETTERS = rf"(?:L{EXTENDERS}(?:[MB]{EXTENDERS}(?=L))?|N{EXTENDERS}(?:[DB]{EXTENDERS}(?=N))?)+"
RUN = rf"(?:{LETTERS}|(?:K{EXTENDERS})+)"
SYLLABLE = rf"Y{EXTENDERS}(?:(?<=S)Y{EXTENDERS})*"
WORD = re.compile(
    rf"(?:C{EXTENDERS})+(?:{RUN}(?:(?:C{EXTENDERS})+{RUN})*(?:C{EXTENDERS})*)?|{RUN}(?:(?:C{EXTENDERS})+{RUN})*(?:C{EXTENDERS})*"
    rf"|V{EXTENDERS}(?:{SYLLABLE})?|{SYLLABLE}|P{EXTENDERS}(?:(?<=J)P{EXTENDERS})*|R{EXTENDERS}(?:R{EXTENDERS})?|[EJS]+"
    rf"|[OMDBI]{EXTENDERS}"
)


def slow_unicode_words(text: str) -> list[str]:
    """Words by a regular expression over the word classes of the characters."""
    kinds = "".join(" " if c.isspace() else NAMES[u.classes()[ord(c)] >> u.WORD_SHIFT & u.WORD_CLASS] for c in text)
    spans = [match.span() for match in WORD.finditer(kinds)]
    runs: list[list[int]] = []
    for start, end in spans:
        if runs and runs[-1][1] == start and text[runs[-1][0]] == text[start] and kinds[start] in "OMDB":
            runs[-1][1] = end
        else:
            runs.append([start, end])
    return [text[start:end] for start, end in runs]


def words(text: str, tokenizer: str) -> list[str]:
    """The words that the compiled pass finds."""
    return rows_of(words_of(batch_of(text), "text", tokenizer), [text])[0]


def rows_of(found: Words, rows: list[str]) -> list[list[str]]:
    """The words of each row."""
    cut = []
    for row, (first, last) in enumerate(pairwise(found.rows)):
        encoded = rows[row].encode()
        cut.append([encoded[found.starts[i] : found.starts[i] + found.sizes[i]].decode() for i in range(first, last)])
    return cut


@settings(deadline=None, max_examples=300)
@given(st.lists(texts, max_size=4))
def test_whitespace_words_are_those_of_split(rows):
    found = words_of(batch_of(*rows), "text", "whitespace")
    assert rows_of(found, rows) == [text.split() for text in rows]
    assert found.points.tolist() == [len(word) for text in rows for word in text.split()]


@settings(deadline=None, max_examples=300)
@given(st.lists(texts, max_size=4))
def test_unicode_words_are_those_of_the_slow_rules(rows):
    found = words_of(batch_of(*rows), "text", "unicode")
    wanted = [slow_unicode_words(text) for text in rows]
    assert rows_of(found, rows) == wanted
    assert found.points.tolist() == [len(word) for row in wanted for word in row]


@settings(deadline=None, max_examples=100)
@given(st.lists(texts, max_size=4), st.sampled_from(["unicode", "whitespace"]))
def test_breaks_counts_and_flags_are_python_s(rows, tokenizer):
    found = words_of(batch_of(*rows), "text", tokenizer)
    breaks = [[len(text[:i].encode()) for i, c in enumerate(text) if c in u.BREAKS] for text in rows]
    assert [found.breaks[a:b].tolist() for a, b in pairwise(found.break_rows)] == breaks
    assert found.counts.tolist() == [[len(t), t.count("#"), t.count("...") + t.count("…")] for t in rows]
    cut = [word for row in rows_of(found, rows) for word in row]
    assert ((found.flags & u.ALPHA) > 0).tolist() == [any(c.isalpha() for c in word) for word in cut]
    assert ((found.flags & u.MATTER) > 0).tolist() == [any(c not in u.PUNCTUATION + u.TERMINALS for c in word) for word in cut]
    assert found.hashes.tolist() == hashes_of(cut).tolist()
    assert len(set(found.hashes.tolist())) == len(set(cut))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It's 3.14, isn't it?", ["It's", "3.14", ",", "isn't", "it", "?"]),
        ("我喜欢北京。", ["我", "喜", "欢", "北", "京", "。"]),
        ("日本のカタカナABC", ["日", "本", "の", "カタカナ", "ABC"]),
        ("ภาษาไทยเป็น", ["ภา", "ษา", "ไท", "ย", "เป็", "น"]),
        ("ကမ္ဘာ", ["က", "မ္ဘာ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("وَالسَّلَامُ عليكم", ["وَالسَّلَامُ", "عليكم"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("👨‍👩‍👧 🇩🇪🇫🇷 👍🏽", ["👨‍👩‍👧", "🇩🇪", "🇫🇷", "👍🏽"]),
        ("a\u00a0b\u3000c\u2028d", ["a", "b", "c", "d"]),
        ("=== [[x]] wait...", ["===", "[[", "x", "]]", "wait", "..."]),
    ],
)
def test_unicode_words_of_many_scripts(text, wanted):
    assert words(text, "unicode") == wanted


@pytest.mark.slow
@pytest.mark.parametrize("tokenizer", ["unicode", "whitespace"])
def test_a_word_of_200_mb_is_one_word(tokenizer):
    found = words_of(batch_of("x" * 200_000_000), "text", tokenizer)
    assert (found.rows.tolist(), found.points.tolist()) == ([0, 1], [200_000_000])


def test_derived_words_are_shared_and_read_only():
    batch = batch_of("one two")
    found = words_of(batch, "text", "unicode")
    assert words_of(batch, "text", "unicode") is found
    assert not any(array.flags.writeable for array in found if isinstance(array, np.ndarray))
