"""flaggedWords measures flagged words."""

import pytest

from datajob.errors import InputError
from datajob.operators.text.flagged_words import FlaggedWords
from tests.support.texts import batch_of, decide


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        (FlaggedWords(), "free PORN here", "flagged_words_too_high"),
        (FlaggedWords(), "Scunthorpe is a town in England", ""),
        (FlaggedWords(languages=("zh",)), "这里有色情内容", "flagged_words_too_high"),
        (FlaggedWords(languages=(), words=("red herring",), max=0), "a red fish, a herring", ""),
        (FlaggedWords(languages=(), words=("red herring",), max=0), "a red herring", "flagged_words_too_high"),
    ],
)
def test_limits_and_reasons(rule, text, reason):
    assert decide(rule, text) == [reason]


def test_word_lists_can_come_from_files(tmp_path):
    (tmp_path / "list.txt").write_text("# a comment\nwidget\n\ngadget shop\n", encoding="utf-8")
    rule = FlaggedWords(languages=(), file=str(tmp_path / "list.txt"), output="share")
    verdict = rule.keep(batch_of("Widget and gadget shop"))
    assert verdict.columns["share"].to_pylist() == [0.75]


def test_a_missing_word_list_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.txt: cannot be read: it does not exist"):
        decide(FlaggedWords(file=str(tmp_path / "nowhere.txt")), "text")
