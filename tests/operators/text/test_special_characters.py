"""specialCharacters measures symbols."""

from datajob.operators.text.special_characters import SpecialCharacters
from tests.support.measures import check_measure, is_alphanumeric, share


def test_the_measure_is_that_of_plain_python():
    check_measure(SpecialCharacters(), lambda t: share(sum(not (c.isspace() or is_alphanumeric(c)) for c in t), len(t)))
