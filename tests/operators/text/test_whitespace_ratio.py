"""whitespaceRatio measures whitespace."""

import pytest

from datajob.operators.text.whitespace_ratio import WhitespaceRatio
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def test_the_measure_is_that_of_plain_python():
    check_measure(WhitespaceRatio(), lambda t: share(sum(map(str.isspace, t)), len(t)))


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (WhitespaceRatio(), "a    b", "whitespace_ratio_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
