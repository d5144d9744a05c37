"""removeEmails removes or replaces email addresses."""

from datajob.operators.text.remove_emails import RemoveEmails
from tests.support.texts import changed


def test_matches_are_removed_and_other_texts_stay():
    assert changed(RemoveEmails(), "mail a@b.io now", "nothing here") == ["mail  now", "nothing here"]
