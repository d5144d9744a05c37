"""Sketches compared with the exact values: the stated error holds, and the partition of the values does not matter."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.engine.counts.sketch import WIDEST, Sketch

TINIEST = 2.2250738585072014e-308
numbers = st.one_of(
    st.integers(-300, 300).map(float),
    st.floats(0, 1).filter(lambda x: x == 0 or x > TINIEST),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or abs(x) > TINIEST),
)
several = st.lists(numbers, min_size=1, max_size=60)
SHARES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)


def sketch_of(*values: float) -> Sketch:
    sketch = Sketch()
    sketch.add(np.array(values, dtype=np.float64))
    return sketch


@settings(max_examples=500, deadline=None)
@given(several)
def test_a_quantile_is_less_than_a_hundred_and_twenty_eighth_off(values: list[float]) -> None:
    exact = np.quantile(values, SHARES, method="lower")
    for found, wanted in zip(sketch_of(*values).quantiles(SHARES), exact, strict=True):
        assert abs(found) <= abs(wanted) or found in (min(values), max(values))
        assert abs(wanted - found) <= WIDEST * abs(wanted)


@settings(max_examples=300, deadline=None)
@given(several, numbers)
def test_counts_beyond_a_limit_omit_only_values_close_to_it(values: list[float], limit: float) -> None:
    sketch, found = sketch_of(*values), np.array(values)
    near = WIDEST * abs(limit)
    assert (found < limit - near).sum() <= sketch.below(limit) <= (found < limit).sum()
    assert (found > limit + near).sum() <= sketch.above(limit) <= (found > limit).sum()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.one_of(numbers, st.just(float("nan")), st.just(float("inf"))), max_size=20), max_size=6), st.data())
def test_parts_in_any_order_add_up_to_the_whole(parts: list[list[float]], data: st.DataObject) -> None:
    merged = Sketch()
    for part in data.draw(st.permutations(parts)):
        merged.merge(Sketch.from_json(json.loads(json.dumps(sketch_of(*part).to_json()))))
    whole = sketch_of(*(value for part in parts for value in part))
    assert (merged, merged.to_json()) == (whole, whole.to_json())
    assert merged.count + merged.missing == sum(map(len, parts))


@pytest.mark.parametrize("value", [0, 1, 50, 255, 0.25, 0.5, 0.75, -3, 1000])
def test_small_integers_and_round_fractions_are_exact(value: float) -> None:
    assert sketch_of(value, value).quantiles([0.5]) == [value]
    assert sketch_of(value).below(value) == sketch_of(value).above(value) == 0


def test_a_histogram_counts_every_number_between_its_edges_once() -> None:
    sketch = sketch_of(0, 0.1, 0.25, 0.3, 0.5, 1, 1, 7, -2)
    assert sketch.counts_between([0, 0.25, 0.5, 1]) == [2, 2, 3]


def test_numbers_of_any_type_count() -> None:
    sketch = Sketch()
    sketch.add(np.array([1, 2, 3], dtype=np.int8))
    sketch.add(np.array([True, False]))
    assert (sketch.count, sketch.lowest, sketch.highest) == (5, 0, 3)


def test_a_distribution_without_numbers_has_no_quantiles() -> None:
    with pytest.raises(ValueError, match="without values"):
        Sketch(missing=3).quantiles([0.5])


def test_a_measure_of_many_texts_takes_a_few_kilobytes() -> None:
    words = np.random.default_rng(1).lognormal(6, 1.5, 200_000).round()
    sketch = sketch_of(*words)
    assert len(json.dumps(sketch.to_json())) < 15_000
