"""chineseConvert converts between variants of Chinese."""

import pytest
from hypothesis import strategies as st

from datajob.operators.text.chinese_convert import ChineseConvert
from tests.support.texts import changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (ChineseConvert(), "漢語軟體 abc", "汉语软体 abc"),
        (ChineseConvert(variant="s2twp"), "软件", "軟體"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


def test_a_missing_package_is_a_clear_error(monkeypatch):
    import sys

    from datajob.errors import InvalidJob

    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(InvalidJob, match=r"`chineseConvert` needs the Python package `opencc`.*pip install opencc"):
        changed(ChineseConvert(), "漢")
