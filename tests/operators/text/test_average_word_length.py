"""averageWordLength measures the mean length of words."""

import pytest

from datajob.operators.text.average_word_length import AverageWordLength
from tests.support.texts import decide


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (AverageWordLength(), "a bc d", "average_word_length_too_low"),
        (AverageWordLength(min=1), "我喜欢", ""),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
