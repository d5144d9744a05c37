"""removeHeaders removes headers before the main text."""

import pytest
from hypothesis import strategies as st

from datajob.operators.text.remove_headers import RemoveHeaders
from tests.support.texts import changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (RemoveHeaders(), "---\ntitle: x\n---\n\nBody --- here", "Body --- here"),
        (RemoveHeaders(), "From: a\nSubject: b\n  folded\n\nHello: you\n", "Hello: you\n"),
        (RemoveHeaders(), "\\documentclass{a}\n\\begin{document}\n\\section{One} text", "\\section{One} text"),
        (RemoveHeaders(), "No header here\n---\n", "No header here\n---\n"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]
