"""stopWordRatio measures stop words."""

import pytest

from datajob.operators.text.stop_word_ratio import StopWordRatio
from tests.support.texts import decide


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (StopWordRatio(), "The cat is on the mat", ""),
        (StopWordRatio(), "cheap watches buy now", "stop_word_ratio_too_low"),
        (StopWordRatio(languages=("de",)), "Das Haus ist an der Straße", ""),
        (StopWordRatio(languages=("zh",), min=0.2), "我是在北京的人", ""),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
