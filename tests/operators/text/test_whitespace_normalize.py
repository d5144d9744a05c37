"""whitespaceNormalize collapses whitespace."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.text.whitespace_normalize import WhitespaceNormalize
from tests.support.texts import batch_of, changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (WhitespaceNormalize(), " a\u3000\u00a0 b\t\r\n\r\n\r\n c \u2028d ", "a b\n\nc\nd"),
        (WhitespaceNormalize(max_newlines=0), "a\n\nb", "a b"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(kind):
    assert WhitespaceNormalize().apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind


@settings(deadline=None, max_examples=200)
@given(SEVERAL, st.integers(0, 3))
def test_white_space_is_collapsed(rows, newlines):
    def slow_normal(text):
        cut, gap = "", None
        for line in text.splitlines(keepends=True):
            for c in line:
                if not c.isspace():
                    cut += (gap or "") + c if cut else c
                    gap = None
                elif gap is None:
                    gap = " "
            if line.splitlines()[0] != line and newlines:
                gap = "\n" if gap in (None, " ") else (gap + "\n")[:newlines]
            elif line.splitlines()[0] != line:
                gap = " "
        return cut

    assert changed(WhitespaceNormalize(max_newlines=newlines), *rows) == [slow_normal(text) for text in rows]
