"""removeLines removes lines by the rules of C4."""

import pyarrow as pa
import pytest
from hypothesis import strategies as st

from datajob.operators.text.remove_lines import RemoveLines
from tests.support.texts import batch_of, changed, texts

SEVERAL = st.lists(texts, min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (
            RemoveLines(),
            "Menu\nThis line is good.\nEnable JavaScript to see it.\nRead our privacy policy now.",
            "This line is good.",
        ),
        (RemoveLines(), "Menu\nHome", ""),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(kind):
    assert RemoveLines().apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind
