"""lineLength measures lines."""

import pytest

from datajob.operators.text.line_length import LineLength
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def average_line(text: str) -> float:
    lines = text.splitlines()
    return share(sum(map(len, lines)), len(lines))


@pytest.mark.parametrize(
    ("rule", "slow"),
    [
        (LineLength(), average_line),
        (LineLength(statistic="longest"), lambda t: max(map(len, t.splitlines()), default=0)),
        (LineLength(statistic="shortest"), lambda t: min(map(len, t.splitlines()), default=0)),
    ],
    ids=["average", "longest", "shortest"],
)
def test_the_measure_is_that_of_plain_python(rule, slow):
    check_measure(rule, slow)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (LineLength(), "a\nb\nc", "line_length_too_low"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
