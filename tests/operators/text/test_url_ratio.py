"""urlRatio measures URLs."""

import pytest

from datajob.operators.text.url_ratio import UrlRatio
from tests.support.texts import decide


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (UrlRatio(), "see https://example.com/page", "url_ratio_too_high"),
        (UrlRatio(), "see the page of the example: it is at https://a.io/, and is very good to read", ""),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
