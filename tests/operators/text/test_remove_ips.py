"""removeIps removes or replaces public IP addresses."""

from datajob.operators.text.remove_ips import RemoveIps
from tests.support.texts import changed


def test_matches_are_removed_and_other_texts_stay():
    assert changed(RemoveIps(), "at 8.8.8.8!", "nothing here") == ["at !", "nothing here"]
