"""digitRatio measures decimal digits."""

from unicodedata import category

import pytest

from datajob.operators.text.digit_ratio import DigitRatio
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def test_the_measure_is_that_of_plain_python():
    check_measure(DigitRatio(), lambda t: share(sum(category(c) == "Nd" for c in t), len(t)))


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (DigitRatio(), "call 123456", "digit_ratio_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
