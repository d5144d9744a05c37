"""Filters by a measure: the measure is the one a few lines of Python compute, the bounds and reasons hold."""

import re
from collections import Counter
from math import isqrt
from unicodedata import category

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.errors import InputError
from datajob.operators.kernels.unicode import TERMINALS
from datajob.operators.text.alphanumeric_ratio import AlphanumericRatio
from datajob.operators.text.average_word_length import AverageWordLength
from datajob.operators.text.boilerplate_ratio import BoilerplateRatio
from datajob.operators.text.bracket_ratio import BracketRatio
from datajob.operators.text.character_repetition import CharacterRepetition
from datajob.operators.text.digit_ratio import DigitRatio
from datajob.operators.text.flagged_words import FlaggedWords
from datajob.operators.text.line_length import LineLength
from datajob.operators.text.longest_word import LongestWord
from datajob.operators.text.sentence_end_ratio import SentenceEndRatio
from datajob.operators.text.sentence_split import SentenceSplit
from datajob.operators.text.special_characters import SpecialCharacters
from datajob.operators.text.stop_word_ratio import StopWordRatio
from datajob.operators.text.text_length import TextLength
from datajob.operators.text.url_ratio import UrlRatio
from datajob.operators.text.whitespace_ratio import WhitespaceRatio
from datajob.operators.text.word_count import WordCount
from datajob.operators.text.word_repetition import WordRepetition
from tests.support import reference_text
from tests.support.texts import batch_of, decide, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


def share(part: float, whole: float) -> float:
    return part / max(whole, 1)


def is_alphanumeric(c: str) -> bool:
    return c.isalnum() or category(c).startswith("M")


def character_repetition(text: str) -> float:
    counts = Counter(text[i : i + 3] for i in range(len(text) - 2))
    top = [count for _, count in counts.most_common(isqrt(len(counts))) if count > 1]
    return share(sum(top), sum(counts.values()))


def word_repetition(text: str) -> float:
    words = text.split()
    counts = Counter(tuple(words[i : i + 2]) for i in range(len(words) - 1))
    return share(sum(count for count in counts.values() if count > 1), sum(counts.values()))


def average_line(text: str) -> float:
    lines = text.splitlines()
    return share(sum(map(len, lines)), len(lines))


def boilerplate(parts: list[str]) -> float:
    parts = [part for part in parts if part.strip()]
    hits = [any(phrase in line.lower() for phrase in reference_text.POLICY for line in part.split("\n")) for part in parts]
    return share(sum(hits), len(parts))


def paragraphs(text: str) -> list[str]:
    lines = [line if line.strip() else "" for line in text.split("\n")]
    return re.split(r"\n\n+", "\n".join(lines))


def marked_sentences(text: str) -> float:
    def without_closings(part: str) -> str:
        while (
            part
            and part[-1] not in TERMINALS
            and (part[-1] in "\"'”’»" or part[-1].isspace() or category(part[-1]) in ("Ps", "Pe"))
        ):
            part = part[:-1]
        return part

    sentences = SentenceSplit().apply(batch_of(text)).column("sentences")[0].as_py()
    parts = [left for part in sentences if (left := without_closings(part))]
    return share(sum(part.endswith(tuple(TERMINALS)) for part in parts), len(parts))


MEASURES = [
    (TextLength(), len),
    (TextLength(unit="bytes"), lambda t: len(t.encode())),
    (WordCount(tokenizer="whitespace"), lambda t: len(t.split())),
    (DigitRatio(), lambda t: share(sum(category(c) == "Nd" for c in t), len(t))),
    (WhitespaceRatio(), lambda t: share(sum(map(str.isspace, t)), len(t))),
    (BracketRatio(), lambda t: share(sum(category(c) in ("Ps", "Pe") for c in t), len(t))),
    (AlphanumericRatio(), lambda t: share(sum(map(is_alphanumeric, t)), sum(not c.isspace() for c in t))),
    (SpecialCharacters(), lambda t: share(sum(not (c.isspace() or is_alphanumeric(c)) for c in t), len(t))),
    (LineLength(), average_line),
    (LineLength(statistic="longest"), lambda t: max(map(len, t.splitlines()), default=0)),
    (LineLength(statistic="shortest"), lambda t: min(map(len, t.splitlines()), default=0)),
    (LongestWord(tokenizer="whitespace"), lambda t: max(map(len, t.split()), default=0)),
    (BoilerplateRatio(), lambda t: boilerplate(paragraphs(t))),
    (BoilerplateRatio(unit="line"), lambda t: boilerplate(t.split("\n"))),
    (SentenceEndRatio(), marked_sentences),
    (CharacterRepetition(size=3), character_repetition),
    (WordRepetition(size=2, tokenizer="whitespace"), word_repetition),
]


@pytest.mark.parametrize(("rule", "slow"), MEASURES, ids=lambda value: getattr(type(value), "key", ""))
def test_the_measure_is_the_obvious_one(rule, slow):
    @settings(deadline=None, max_examples=100)
    @given(SEVERAL)
    def check(rows):
        verdict = rule.model_copy(update={"output": "measure"}).keep(batch_of(*rows, kind=pa.string()))
        assert verdict.columns["measure"].to_pylist() == pytest.approx([slow(text) for text in rows])

    check()


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (TextLength(), "", "text_length_too_low"),
        (TextLength(max=3), "four", "text_length_too_high"),
        (TextLength(max=3), "äöü", ""),
        (TextLength(max=3, unit="bytes"), "äöü", "text_length_too_high"),
        (WordCount(min=2), "one", "word_count_too_low"),
        (DigitRatio(), "call 123456", "digit_ratio_too_high"),
        (WhitespaceRatio(), "a    b", "whitespace_ratio_too_high"),
        (AlphanumericRatio(), "हिन्दी में लिखा", ""),
        (AlphanumericRatio(), "--- *** ---", "alphanumeric_ratio_too_low"),
        (AverageWordLength(), "a bc d", "average_word_length_too_low"),
        (AverageWordLength(min=1), "我喜欢", ""),
        (UrlRatio(), "see https://example.com/page", "url_ratio_too_high"),
        (UrlRatio(), "see the page of the example: it is at https://a.io/, and is very good to read", ""),
        (StopWordRatio(), "The cat is on the mat", ""),
        (StopWordRatio(), "cheap watches buy now", "stop_word_ratio_too_low"),
        (StopWordRatio(languages=("de",)), "Das Haus ist an der Straße", ""),
        (StopWordRatio(languages=("zh",), min=0.2), "我是在北京的人", ""),
        (FlaggedWords(), "free PORN here", "flagged_words_too_high"),
        (FlaggedWords(), "Scunthorpe is a town in England", ""),
        (FlaggedWords(languages=("zh",)), "这里有色情内容", "flagged_words_too_high"),
        (FlaggedWords(languages=(), words=("red herring",), max=0), "a red fish, a herring", ""),
        (FlaggedWords(languages=(), words=("red herring",), max=0), "a red herring", "flagged_words_too_high"),
        (CharacterRepetition(), "a" * 100, "character_repetition_too_high"),
        (WordRepetition(), "a b c d e f g h i j k l " * 3, "word_repetition_too_high"),
        (LineLength(), "a\nb\nc", "line_length_too_low"),
        (LongestWord(), "data:image/png;base64," + "Zm9v+/" * 200, "longest_word_too_high"),
        (LongestWord(), "我喜欢吃苹果。" * 200, ""),
        (BoilerplateRatio(), "Our privacy policy\nis here.\n\nSee the Terms of Use.\n\nText.", "boilerplate_ratio_too_high"),
        (BoilerplateRatio(unit="line"), "Our privacy policy\nis here.\n\nThis is good.", ""),
        (BoilerplateRatio(phrases=("版权所有",)), "版权所有 2024", "boilerplate_ratio_too_high"),
        (SentenceEndRatio(), "Menu\nHome\nAbout\nContact\nNews\nShop\nCart\nHelp. ", "sentence_end_ratio_too_low"),
        (SentenceEndRatio(min=1), 'He said “yes.”\n(It was so.)\n"真的吗？」', ""),
    ],
)
def test_bounds_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]


def test_word_lists_come_from_files_too(tmp_path):
    (tmp_path / "list.txt").write_text("# a comment\nwidget\n\ngadget shop\n", encoding="utf-8")
    rule = FlaggedWords(languages=(), file=str(tmp_path / "list.txt"), output="share")
    verdict = rule.keep(batch_of("Widget and gadget shop"))
    assert verdict.columns["share"].to_pylist() == [0.75]


def test_a_missing_word_list_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: cannot be read: it does not exist"):
        decide(FlaggedWords(file=str(tmp_path / "nowhere.txt")), "text")
