"""characterRepetition measures repeated character n-grams."""

from collections import Counter
from math import isqrt

import pytest

from datajob.operators.text.character_repetition import CharacterRepetition
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def character_repetition(text: str) -> float:
    counts = Counter(text[i : i + 3] for i in range(len(text) - 2))
    top = [count for _, count in counts.most_common(isqrt(len(counts))) if count > 1]
    return share(sum(top), sum(counts.values()))


def test_the_measure_is_that_of_plain_python():
    check_measure(CharacterRepetition(size=3), character_repetition)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (CharacterRepetition(), "a" * 100, "character_repetition_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
