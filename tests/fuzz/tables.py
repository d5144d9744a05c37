"""Random Arrow tables of all types that columns have."""

import decimal
import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa

NAMES = (
    "id",
    "a",
    "A",
    "",
    "a.b",
    "a b",
    "größe",
    "日本",
    "select",
    "x'y",
    'x"y',
    "\\u0061",
    "key",
    "_step",
    "\n",
    "a/b",
    "[]",
    "%s",
    "{}",
)
TEXTS = (
    "",
    "a",
    "é",
    "日本",
    "😀",
    '"',
    "\\",
    "\n",
    "\r\n",
    ",",
    "\t",
    "null",
    "NaN",
    "007",
    "+49",
    "1e400",
    "\0",
    "\u2028",
    "{}",
    " x ",
)
INTEGERS = (0, 1, -1, 2**31, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 1234567890123456789)
DOUBLES = (0.0, -0.0, 0.1, 1.5, 1e22, 1e300, 5e-324, 2.0**53, float("nan"), float("inf"), float("-inf"), 0.12345678901234568)


def _numbers(bits: int, signed: bool) -> Callable[[random.Random], Any]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda rng: rng.choice([low, high, 0, 1, rng.randint(low, high)])


def leaf_types(rng: random.Random) -> list[tuple[pa.DataType, Callable[[random.Random], Any]]]:
    """Types without others inside, each with a generator of its values."""
    days = (0, -719_162, 2_932_896, 2_932_897, -719_163, 11_000_001, -11_000_001)
    ticks = (0, 1, -1, 253_402_300_800, -62_135_596_801, 10**15 + 1, -(10**17))
    unit = rng.choice(["s", "ms", "us", "ns"])
    return [
        *((getattr(pa, f"int{b}")(), _numbers(b, True)) for b in (8, 16, 32, 64)),
        *((getattr(pa, f"uint{b}")(), _numbers(b, False)) for b in (8, 16, 32, 64)),
        (pa.bool_(), lambda r: r.random() < 0.5),
        (pa.float64(), lambda r: r.choice([*DOUBLES, r.random(), r.uniform(-1e9, 1e9)])),
        (pa.float32(), lambda r: r.choice([0.0, 1.5, -2.0, 16777216.0, float("inf")])),
        (pa.float16(), lambda r: r.choice([0.0, 1.5, -2.0])),
        (pa.string(), lambda r: "".join(r.choices(TEXTS, k=r.randint(0, 4)))),
        (pa.string(), lambda r: str(r.choice([*INTEGERS, *DOUBLES, "1.10", "123e45", "-0", "2024-01-01"]))),
        (pa.binary(), lambda r: r.randbytes(r.randint(0, 5))),
        (pa.binary(4), lambda r: r.randbytes(4)),
        (pa.date32(), lambda r: r.choice(days)),
        (pa.timestamp(unit), lambda r: r.choice(ticks)),
        (pa.timestamp(unit, rng.choice(["UTC", "Europe/Berlin", "Mars/Olympus"])), lambda r: r.choice(ticks)),
        (pa.time64("ns"), lambda r: r.choice([0, 86_399_999_999_999])),
        (pa.duration(unit), lambda r: r.choice([0, 1, -1, 2**53 + 1])),
        (pa.decimal128(38, 10), lambda r: decimal.Decimal(r.randint(-(10**27), 10**27)) / 1000),
        (pa.decimal256(60, 2), lambda r: decimal.Decimal(r.randint(-(10**20), 10**20)) / 100),
        (pa.null(), lambda r: None),
    ]


def random_type(rng: random.Random, nested: bool, depth: int = 0) -> tuple[pa.DataType, Callable[[random.Random], Any]]:
    """A type and a generator of its values, nulls among them."""
    kind, make = rng.choice(leaf_types(rng))
    if nested and depth < 4 and rng.random() < 0.35:
        kind, make = _nested(rng, depth)
    nulls = rng.choice([0.0, 0.2])
    return kind, lambda r: None if r.random() < nulls else make(r)


def _nested(rng: random.Random, depth: int) -> tuple[pa.DataType, Callable[[random.Random], Any]]:
    inner, make = random_type(rng, True, depth + 1)
    form = rng.choice(["list", "struct", "map", "fixed", "large"])
    if form == "struct":
        other, make_other = random_type(rng, True, depth + 1)
        names = rng.sample(NAMES, 2)
        made = pa.struct([(names[0], inner), (names[1], other)])
        return made, lambda r: {names[0]: make(r), names[1]: make_other(r)}
    if form == "map":
        return pa.map_(pa.string(), inner), lambda r: [(key, make(r)) for key in r.sample(TEXTS, r.randint(0, 3))]
    if form == "fixed":
        return pa.list_(inner, 2), lambda r: [make(r), make(r)]
    return (pa.large_list if form == "large" else pa.list_)(inner), lambda r: [make(r) for _ in range(r.randint(0, 3))]


def random_table(rng: random.Random, nested: bool = True) -> pa.Table:
    """A table of up to six columns and 40 rows."""
    rows = rng.choice([1, 3, 40])
    columns: dict[str, Any] = {}
    for name in rng.sample(NAMES, rng.randint(1, 6)):
        kind, make = random_type(rng, nested)
        columns[name] = _array([make(rng) for _ in range(rows)], kind, rng)
    return pa.table(columns)


def _array(values: list[Any], kind: Any, rng: random.Random) -> Any:
    try:
        array: Any = pa.array(values, kind)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):  # 17 digits of a decimal, for example
        array = pa.array([rng.randint(0, 9) for _ in values])
    return array
