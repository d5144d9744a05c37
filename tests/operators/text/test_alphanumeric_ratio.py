"""alphanumericRatio measures letters and digits."""

import pytest

from datajob.operators.text.alphanumeric_ratio import AlphanumericRatio
from tests.support.measures import check_measure, is_alphanumeric, share
from tests.support.texts import decide


def test_the_measure_is_that_of_plain_python():
    check_measure(AlphanumericRatio(), lambda t: share(sum(map(is_alphanumeric, t)), sum(not c.isspace() for c in t)))


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (AlphanumericRatio(), "हिन्दी में लिखा", ""),
        (AlphanumericRatio(), "--- *** ---", "alphanumeric_ratio_too_low"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
