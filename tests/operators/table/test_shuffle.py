"""shuffle orders rows by their content and the seed."""

import pytest

from datajob.operators.table.shuffle import Shuffle
from tests.support.exchange import DRAWN, repartitioned, rows_of


@pytest.mark.parametrize("step", [Shuffle(seed=5), Shuffle(seed=5, by=["id"])])
def test_a_shuffle_gives_one_order_regardless_of_the_partitions_and_batches(step):
    table = DRAWN.slice(0, 500)
    orders = [
        [row["id"] for row in rows_of(repartitioned(step, source, partitions=p, size=size))]
        for p, size, source in ((1, 500, table), (3, 7, table), (8, 100, table.take(list(reversed(range(500))))))
    ]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == list(range(500))
    assert orders[0] != list(range(500))


def test_another_seed_gives_another_order():
    table = DRAWN.slice(0, 100)
    first, second = (rows_of(repartitioned(Shuffle(seed=s), table, partitions=2)) for s in (1, 2))
    assert first != second


def test_an_empty_table_stays_empty():
    assert repartitioned(Shuffle(), DRAWN.slice(0, 0), partitions=3) == []
