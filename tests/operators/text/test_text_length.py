"""textLength measures characters or bytes."""

import pytest

from datajob.operators.text.text_length import TextLength
from tests.support.measures import check_measure
from tests.support.texts import decide


@pytest.mark.parametrize(
    ("rule", "slow"),
    [
        (TextLength(), len),
        (TextLength(unit="bytes"), lambda t: len(t.encode())),
    ],
    ids=["characters", "bytes"],
)
def test_the_measure_is_that_of_plain_python(rule, slow):
    check_measure(rule, slow)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (TextLength(), "", "text_length_too_low"),
        (TextLength(max=3), "four", "text_length_too_high"),
        (TextLength(max=3), "äöü", ""),
        (TextLength(max=3, unit="bytes"), "äöü", "text_length_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
