"""split assigns rows to parts by their content and the seed."""

import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.split import Split
from tests.support.exchange import DRAWN


def parts(step, table):
    return step.apply(Batch(table)).column(step.column).to_pylist()


def test_parts_have_about_their_fractions_and_are_stable_under_more_rows():
    step = Split(parts={"train": 0.8, "val": 0.1, "test": 0.1}, by=["id"], seed=3)
    found = parts(step, DRAWN)
    assert 3_850 < found.count("train") < 4_150
    assert 400 < found.count("val") < 600
    assert parts(step, DRAWN.slice(2_000, 1_000)) == found[2_000:3_000]
    assert parts(step, DRAWN.select(["id"])) == found


def test_split_defaults_to_train_and_val_over_the_whole_row():
    out = Split().apply(Batch(DRAWN))
    assert set(out.column("split").to_pylist()) == {"train", "val"}
    assert Split().outputs(("a",)) == ("a", "split")
    assert Split(column="a").outputs(("a",)) == ("a",)
    assert Split(column="text").apply(Batch(DRAWN)).column_names == DRAWN.column_names


def test_a_part_with_fraction_zero_gets_no_rows():
    assert set(parts(Split(parts={"a": 0, "b": 1, "c": 0}), DRAWN)) == {"b"}


@pytest.mark.parametrize("shares", [{"train": 0.9, "val": 0.2}, {"train": 90, "val": 10}, {"train": 1.5, "val": -0.5}, {}])
def test_fractions_that_do_not_add_up_to_one_are_rejected(shares):
    with pytest.raises(ValidationError):
        Split(parts=shares)


def test_a_missing_column_is_the_fault_of_the_job():
    with pytest.raises(InvalidJob, match="did you mean `id`"):
        Split(by=["ID"]).apply(Batch(DRAWN))


def test_an_empty_table_has_no_parts():
    assert parts(Split(), DRAWN.slice(0, 0)) == []
