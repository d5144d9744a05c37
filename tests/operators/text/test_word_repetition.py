"""wordRepetition measures repeated word n-grams."""

from collections import Counter

import pytest

from datajob.operators.text.word_repetition import WordRepetition
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def word_repetition(text: str) -> float:
    words = text.split()
    counts = Counter(tuple(words[i : i + 2]) for i in range(len(words) - 1))
    return share(sum(count for count in counts.values() if count > 1), sum(counts.values()))


def test_the_measure_is_that_of_plain_python():
    check_measure(WordRepetition(size=2, tokenizer="whitespace"), word_repetition)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (WordRepetition(), "a b c d e f g h i j k l " * 3, "word_repetition_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
