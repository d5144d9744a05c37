"""removeUrls removes or replaces URLs."""

from datajob.operators.text.remove_urls import RemoveUrls
from tests.support.texts import changed


def test_matches_are_removed_and_other_texts_stay():
    assert changed(RemoveUrls(replacement="<URL>"), "see https://a.io/b.", "nothing here") == ["see <URL>.", "nothing here"]
