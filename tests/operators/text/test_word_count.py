"""wordCount counts words."""

import pytest

from datajob.operators.text.word_count import WordCount
from tests.support.measures import check_measure
from tests.support.texts import decide


def test_the_measure_is_that_of_plain_python():
    check_measure(WordCount(tokenizer="whitespace"), lambda t: len(t.split()))


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (WordCount(min=2), "one", "word_count_too_low"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
