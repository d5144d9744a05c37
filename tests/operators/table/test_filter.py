import pyarrow as pa
import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.filter import Filter

ROWS = pa.table({"text": ["a", "bbb", None, ""], "n": [1, None, 3, 4], "ok": [True, False, None, True]})


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("length(text) > 1", [False, True, False, False]),
        ("n > 0", [True, False, True, True]),
        ("n IS NULL OR text = ''", [False, True, False, True]),
        ("ok", [True, False, False, True]),
        ("NOT ok", [False, True, False, False]),
        ("NULL", [False] * 4),
        ("true", [True] * 4),
        ("text LIKE 'b%'", [False, True, False, False]),
    ],
)
def test_only_rows_for_which_it_is_true_are_kept(where, kept):
    verdict = Filter(where=where).keep(Batch(ROWS))
    assert verdict.reasons == ("where",)
    assert [code == 0 for code in verdict.codes] == kept


def test_an_empty_table_gives_an_empty_verdict():
    assert len(Filter(where="n > 0").keep(Batch(ROWS.slice(0, 0))).codes) == 0


@pytest.mark.parametrize(
    ("where", "message"),
    [("n", "type int64, not true or false"), ("length(txt) > 1", "did you mean `text`"), ("length(text", "not a valid SQL")],
)
def test_an_expression_that_is_not_a_condition_is_rejected(where, message):
    with pytest.raises(InvalidJob, match=message):
        Filter(where=where).keep(Batch(ROWS))


def test_the_columns_before_and_after_are_known():
    assert Filter(where="length(text) > n").inputs() == ("text", "n")
    assert Filter(where="length(text) > n").outputs(("text", "n", "k")) == ("text", "n", "k")
