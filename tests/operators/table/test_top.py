"""top keeps the rows with the highest values of the whole input."""

import random
from fractions import Fraction
from math import ceil, inf, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.engine.ranking import keys_of
from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.top import Top
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

ODD = [0.0, -0.0, inf, -inf, 1e-320, -1e-320, 1.5, -1.5, nan, None]


def expected(values: list[Any], step: dict[str, Any]) -> list[int]:
    """The rows that plain Python keeps: sorted by value, then by position."""
    ranked = [(-v if not step.get("lowest") else v, i) for i, v in enumerate(values) if v is not None and not isnan(v)]
    number = step["count"] if "count" in step else ceil(Fraction(repr(step["fraction"])) * len(ranked))
    return sorted(i for _, i in sorted(ranked)[:number])


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_of_plain_python_are_kept_however_the_input_is_split(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    pool = [*ODD, *(chance.choice((chance.random(), chance.gauss(0, 1e9), 0.25, 0.5)) for _ in range(20))]
    values = [chance.choice(pool) for _ in range(chance.randrange(1, 120))]
    limit = chance.choice(({"count": chance.randrange(130)}, {"fraction": chance.choice((0, 0.1, 0.3, 1 / 3, 1))}))
    step = {**limit, "lowest": chance.random() < 0.5}
    rows = [{"id": i, "x": v} for i, v in enumerate(values)]
    for parts, shard_bytes in ((1, 10**6), (chance.randrange(2, 9), 200)):
        folder = tmp_path / f"{parts}"
        write_parts(folder / "in", rows, parts)
        report = run(make_job(folder / "in", folder / "out", [{"top": {"by": "x", **step}}]), shard_bytes=shard_bytes)
        assert [row["id"] for row in read_manifest(folder / "out")] == expected(values, step), (seed, step)
        assert report.progress.rows_in == len(rows)
        assert report.steps[1].rejected.get("no_value", 0) == sum(v is None or isnan(v) for v in values)


def test_keys_have_the_order_of_the_ranks() -> None:
    ranks = np.array([-inf, -1e300, -1.5, -1e-320, -0.0, 0.0, 1e-320, 0.3, np.nextafter(0.3, 1), 1.5, 1e300, inf])
    keys = keys_of(ranks).tolist()
    assert keys == sorted(keys)
    assert keys[4] == keys[5]
    assert len(set(keys)) == len(ranks) - 1


def test_integers_are_ranked_exactly_or_fail() -> None:
    batch = Batch(pa.table({"n": pa.array([2**53 + 1, 2**53, None, -(2**53) - 1, 5])}))
    values = Top(by="n", count=1).ranks(batch)
    assert sorted(batch.failures) == [0, 3]
    assert values[[1, 4]].tolist() == [2.0**53, 5.0] and isnan(values[2])


def test_decimals_are_ranked_if_doubles_distinguish_them() -> None:
    digits = ["0.10", "0.11", "9999999999999.98", "9999999999999.99", "-9999999999999.99"]
    values = Top(by="n", count=1).ranks(Batch(pa.table({"n": pa.array(digits).cast(pa.decimal128(15, 2))})))
    assert sorted(range(5), key=values.__getitem__) == [4, 0, 1, 2, 3] and len(set(values.tolist())) == 5
    with pytest.raises(InvalidJob, match="decimals of up to 15 digits, but `n` contains decimal128"):
        Top(by="n", count=1).ranks(Batch(pa.table({"n": pa.array(digits).cast(pa.decimal128(16, 2))})))


def test_the_number_of_rows_is_that_of_the_decimal_fraction() -> None:
    assert Top(by="x", fraction=0.07).kept(100) == 7, "0.07 * 100 is 7.000000000000001 in doubles"
    assert [Top(by="x", fraction=0.3).kept(n) for n in (0, 1, 10, 11)] == [0, 1, 3, 4]
    assert [Top(by="x", count=3).kept(n) for n in (0, 2, 9)] == [0, 2, 3]


def test_other_columns_are_the_fault_of_the_job() -> None:
    with pytest.raises(InvalidJob, match="contains string"):
        Top(by="x", count=1).ranks(Batch(pa.table({"x": ["a"]})))
    with pytest.raises(InvalidJob, match="did you mean `x`"):
        Top(by="X", count=1).ranks(Batch(pa.table({"x": [1]})))


@pytest.mark.parametrize("step", [{}, {"count": 1, "fraction": 0.5}, {"fraction": 1.5}, {"count": -1}])
def test_invalid_limits_are_refused(step: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Top.model_validate({"by": "x", **step})
