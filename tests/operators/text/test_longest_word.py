"""longestWord measures the longest word."""

import pytest

from datajob.operators.text.longest_word import LongestWord
from tests.support.measures import check_measure
from tests.support.texts import decide


def test_the_measure_is_that_of_plain_python():
    check_measure(LongestWord(tokenizer="whitespace"), lambda t: max(map(len, t.split()), default=0))


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (LongestWord(), "data:image/png;base64," + "Zm9v+/" * 200, "longest_word_too_high"),
        (LongestWord(), "我喜欢吃苹果。" * 200, ""),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
