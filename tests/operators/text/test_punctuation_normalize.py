"""punctuationNormalize replaces typographic punctuation."""

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from datajob.operators.text.punctuation_normalize import PunctuationNormalize
from tests.support.texts import batch_of, changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (PunctuationNormalize(), "“It’s” – yes… 你好，", '"It\'s" - yes... 你好，'),
        (PunctuationNormalize(full_width=True), "你好，《书》。", "你好,<书>."),
        (PunctuationNormalize(quotes=False, dashes=False), "“–”", "“–”"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(kind):
    assert PunctuationNormalize().apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind
