"""sample, split, shuffle: what is drawn depends on a row's content and the seed alone."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.sample import Sample
from datajob.operators.table.shuffle import Shuffle
from datajob.operators.table.split import Split
from tests.support.exchange import batches, repartitioned, rows_of

ROWS = pa.table({"id": range(5_000), "text": [f"text {i % 900}" for i in range(5_000)], "xs": [[i] for i in range(5_000)]})


def kept(step, table):
    return [code == 0 for batch in batches(table, 1_000) for code in step.keep(batch).codes]


def parts(step, table):
    return step.apply(Batch(table)).column(step.column).to_pylist()


@pytest.mark.parametrize(("fraction", "low", "high"), [(0, 0, 0), (0.1, 400, 600), (0.5, 2_300, 2_700), (1, 5_000, 5_000)])
def test_a_sample_has_about_the_share_asked_for(fraction, low, high):
    assert low <= sum(kept(Sample(fraction=fraction, seed=1), ROWS)) <= high


def test_a_sample_does_not_depend_on_the_order_or_the_batches():
    step = Sample(fraction=0.3, seed=7)
    forward = dict(zip(ROWS.column("id").to_pylist(), kept(step, ROWS), strict=True))
    turned = ROWS.take(list(reversed(range(len(ROWS)))))
    assert dict(zip(turned.column("id").to_pylist(), kept(step, turned), strict=True)) == forward


def test_a_larger_sample_contains_the_smaller_and_another_seed_differs():
    small, large, other = (kept(Sample(fraction=f, seed=s), ROWS) for f, s in ((0.2, 1), (0.4, 1), (0.2, 2)))
    assert all(b for a, b in zip(small, large, strict=True) if a)
    assert small != other


def test_rows_that_agree_in_by_are_sampled_together():
    fates = {}
    for text, fate in zip(ROWS.column("text").to_pylist(), kept(Sample(fraction=0.5, by=["text"]), ROWS), strict=True):
        assert fates.setdefault(text, fate) == fate


def test_split_gives_about_the_shares_and_is_stable_under_more_rows():
    step = Split(parts={"train": 0.8, "val": 0.1, "test": 0.1}, by=["id"], seed=3)
    found = parts(step, ROWS)
    assert 3_850 < found.count("train") < 4_150
    assert 400 < found.count("val") < 600
    assert parts(step, ROWS.slice(2_000, 1_000)) == found[2_000:3_000]
    assert parts(step, ROWS.select(["id"])) == found


def test_split_defaults_to_train_and_val_over_the_whole_row():
    out = Split().apply(Batch(ROWS))
    assert set(out.column("split").to_pylist()) == {"train", "val"}
    assert Split().outputs(("a",)) == ("a", "split")
    assert Split(column="a").outputs(("a",)) == ("a",)
    assert Split(column="text").apply(Batch(ROWS)).column_names == ROWS.column_names


def test_a_part_of_no_share_gets_no_row():
    assert set(parts(Split(parts={"a": 0, "b": 1, "c": 0}), ROWS)) == {"b"}


@pytest.mark.parametrize("shares", [{"train": 0.9, "val": 0.2}, {"train": 90, "val": 10}, {"train": 1.5, "val": -0.5}, {}])
def test_shares_that_do_not_make_one_are_refused(shares):
    with pytest.raises(ValidationError):
        Split(parts=shares)


@pytest.mark.parametrize("step", [Sample(fraction=0.5, by=["ID"]), Split(by=["ID"])])
def test_a_missing_column_is_the_jobs_fault(step):
    with pytest.raises(InvalidJob, match="did you mean `id`"):
        step.keep(Batch(ROWS)) if isinstance(step, Sample) else step.apply(Batch(ROWS))


@pytest.mark.parametrize("step", [Shuffle(seed=5), Shuffle(seed=5, by=["id"])])
def test_a_shuffle_gives_one_order_whatever_the_partitions_and_batches(step):
    table = ROWS.slice(0, 500)
    orders = [
        [row["id"] for row in rows_of(repartitioned(step, source, partitions=p, size=size))]
        for p, size, source in ((1, 500, table), (3, 7, table), (8, 100, table.take(list(reversed(range(500))))))
    ]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == list(range(500))
    assert orders[0] != list(range(500))


def test_another_seed_gives_another_order():
    table = ROWS.slice(0, 100)
    first, second = (rows_of(repartitioned(Shuffle(seed=s), table, partitions=2)) for s in (1, 2))
    assert first != second


def test_empty_tables_are_drawn_from():
    empty = ROWS.slice(0, 0)
    assert kept(Sample(fraction=0.5), empty) == []
    assert parts(Split(), empty) == []
    assert repartitioned(Shuffle(), empty, partitions=3) == []
