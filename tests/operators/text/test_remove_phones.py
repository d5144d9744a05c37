"""removePhones removes or replaces phone numbers."""

from datajob.operators.text.remove_phones import RemovePhones
from tests.support.texts import changed


def test_matches_are_removed_and_other_texts_stay():
    assert changed(RemovePhones(), "call +1 415 555 2671.", "nothing here") == ["call .", "nothing here"]
