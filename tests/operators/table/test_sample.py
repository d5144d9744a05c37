"""sample draws rows by their content and the seed."""

import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.sample import Sample
from tests.support.exchange import DRAWN, batches


def kept(step, table):
    return [code == 0 for batch in batches(table, 1_000) for code in step.keep(batch).codes]


@pytest.mark.parametrize(("fraction", "low", "high"), [(0, 0, 0), (0.1, 400, 600), (0.5, 2_300, 2_700), (1, 5_000, 5_000)])
def test_a_sample_has_about_the_requested_fraction(fraction, low, high):
    assert low <= sum(kept(Sample(fraction=fraction, seed=1), DRAWN)) <= high


def test_a_sample_does_not_depend_on_the_order_or_the_batches():
    step = Sample(fraction=0.3, seed=7)
    forward = dict(zip(DRAWN.column("id").to_pylist(), kept(step, DRAWN), strict=True))
    turned = DRAWN.take(list(reversed(range(len(DRAWN)))))
    assert dict(zip(turned.column("id").to_pylist(), kept(step, turned), strict=True)) == forward


def test_a_larger_sample_contains_the_smaller_and_another_seed_differs():
    small, large, other = (kept(Sample(fraction=f, seed=s), DRAWN) for f, s in ((0.2, 1), (0.4, 1), (0.2, 2)))
    assert all(b for a, b in zip(small, large, strict=True) if a)
    assert small != other


def test_rows_with_equal_values_of_by_are_sampled_together():
    fates = {}
    for text, fate in zip(DRAWN.column("text").to_pylist(), kept(Sample(fraction=0.5, by=["text"]), DRAWN), strict=True):
        assert fates.setdefault(text, fate) == fate


def test_a_missing_column_is_the_fault_of_the_job():
    with pytest.raises(InvalidJob, match="did you mean `id`"):
        Sample(fraction=0.5, by=["ID"]).keep(Batch(DRAWN))


def test_an_empty_table_has_an_empty_sample():
    assert kept(Sample(fraction=0.5), DRAWN.slice(0, 0)) == []
