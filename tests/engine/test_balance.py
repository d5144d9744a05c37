"""How accelerators are divided among the models of a stage."""

import random

import pytest

from datajob.engine.executors.balance import Demand, better, initial

MANY = (1, 100)
CASES = {
    "the slow model gets the devices": ([(1, MANY, 1.0), (1, MANY, 7.0)], [4, 4], 8, [1, 7]),
    "equal models share them": ([(1, MANY, 2.0), (1, MANY, 2.0)], [4, 4], 8, [4, 4]),
    "a small gain is not worth loading a model": ([(1, MANY, 3.0), (1, MANY, 3.3)], [4, 4], 8, [4, 4]),
    "a minimum is kept": ([(1, (3, 100), 1.0), (1, MANY, 99.0)], [4, 4], 8, [3, 5]),
    "a maximum is kept": ([(1, MANY, 1.0), (1, (1, 5), 99.0)], [4, 4], 8, [3, 5]),
    "two halves for a whole": ([(1, MANY, 1.0), (0.5, MANY, 99.0)], [2, 2], 3, [1, 4]),
    "a whole for two halves": ([(1, MANY, 99.0), (0.5, MANY, 1.0)], [1, 4], 3, [2, 2]),
}


@pytest.mark.parametrize("case", CASES)
def test_accelerators_move_to_the_model_that_limits_the_stage(case: str) -> None:
    given, sizes, accelerators, expected = CASES[case]
    demands = [Demand(*each) for each in given]
    for _ in range(20):
        sizes = better(demands, sizes, accelerators)
    assert sizes == expected


def test_sizes_stay_within_all_limits_and_come_to_rest() -> None:
    chance = random.Random(5)
    for _ in range(300):
        demands = []
        for _ in range(chance.randint(1, 4)):
            low = chance.randint(1, 2)
            demands.append(Demand(chance.choice([0.25, 0.5, 1, 2]), (low, low + chance.randint(0, 9)), chance.random()))
        least = sum(d.accelerators * d.size[0] for d in demands)
        accelerators = least + chance.randint(0, 8)
        sizes = initial(demands, accelerators)
        seen = []
        while sizes not in seen:
            seen.append(sizes)
            assert sum(n * d.accelerators for n, d in zip(sizes, demands, strict=True)) <= accelerators
            assert all(d.size[0] <= n <= d.size[1] for n, d in zip(sizes, demands, strict=True))
            sizes = better(demands, sizes, accelerators)
        assert sizes == seen[-1]
