"""boilerplateRatio measures boilerplate."""

import re

import pytest

from datajob.operators.text.boilerplate_ratio import BoilerplateRatio
from tests.support import reference_text
from tests.support.measures import check_measure, share
from tests.support.texts import decide


def boilerplate(parts: list[str]) -> float:
    parts = [part for part in parts if part.strip()]
    hits = [any(phrase in line.lower() for phrase in reference_text.POLICY for line in part.split("\n")) for part in parts]
    return share(sum(hits), len(parts))


def paragraphs(text: str) -> list[str]:
    lines = [line if line.strip() else "" for line in text.split("\n")]
    return re.split(r"\n\n+", "\n".join(lines))


@pytest.mark.parametrize(
    ("rule", "slow"),
    [
        (BoilerplateRatio(), lambda t: boilerplate(paragraphs(t))),
        (BoilerplateRatio(unit="line"), lambda t: boilerplate(t.split("\n"))),
    ],
    ids=["paragraph", "line"],
)
def test_the_measure_is_that_of_plain_python(rule, slow):
    check_measure(rule, slow)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (BoilerplateRatio(), "Our privacy policy\nis here.\n\nSee the Terms of Use.\n\nText.", "boilerplate_ratio_too_high"),
        (BoilerplateRatio(unit="line"), "Our privacy policy\nis here.\n\nThis is good.", ""),
        (BoilerplateRatio(phrases=("版权所有",)), "版权所有 2024", "boilerplate_ratio_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]
