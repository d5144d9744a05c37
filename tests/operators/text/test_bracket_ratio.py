"""bracketRatio measures brackets."""

from unicodedata import category

from datajob.operators.text.bracket_ratio import BracketRatio
from tests.support.measures import check_measure, share


def test_the_measure_is_that_of_plain_python():
    check_measure(BracketRatio(), lambda t: share(sum(category(c) in ("Ps", "Pe") for c in t), len(t)))
