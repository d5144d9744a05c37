"""Columns of every Arrow type, with null and with the ends of their ranges, and their values in a form without types."""

import base64
import datetime as dt
import re
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

NOON = dt.datetime(2024, 2, 29, 12, 30, 15, 123456)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
FIRST = dt.datetime(1, 1, 1)
MIDNIGHT = {"s": dt.time(23, 59, 59), "ms": dt.time(23, 59, 59, 999000), "us": dt.time(23, 59, 59, 999999)}
_TIME = re.compile(r"^((?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d)(?:\.(\d+))?Z?$")
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 6}


def _times() -> Iterator[tuple[Any, list[Any]]]:
    for unit, digits in DIGITS.items():
        micros = NOON.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits)
        noon = NOON.replace(microsecond=micros)
        far = [FIRST, LAST.replace(microsecond=999999 // 10 ** (6 - digits) * 10 ** (6 - digits))] if unit != "ns" else []
        yield pa.timestamp(unit), [noon, *far]
        for zone in ("UTC", "Asia/Shanghai"):
            yield pa.timestamp(unit, zone), [noon.replace(tzinfo=dt.UTC)]
        yield pa.duration(unit), [dt.timedelta(days=400, seconds=5), -dt.timedelta(microseconds=micros)]
    for unit in ("s", "ms"):
        yield pa.time32(unit), [dt.time(0), MIDNIGHT[unit]]
    for unit in ("us", "ns"):
        yield pa.time64(unit), [dt.time(0), MIDNIGHT["us"]]


def _numbers() -> Iterator[tuple[Any, list[Any]]]:
    for bits in (8, 16, 32, 64):
        yield getattr(pa, f"int{bits}")(), [-(2 ** (bits - 1)), 0, 2 ** (bits - 1) - 1]
        yield getattr(pa, f"uint{bits}")(), [0, 2**bits - 1]
    yield pa.float16(), [np.float16(1.5), np.float16(-65504)]
    yield pa.float32(), [1.5, -0.0, 3.4028234663852886e38]
    yield pa.float64(), [0.1, 1e300, 5e-324]
    yield pa.decimal32(9, 2), [Decimal("-1234567.89")]
    yield pa.decimal64(18, 4), [Decimal("12345678901234.5678")]
    yield pa.decimal128(38, 10), [Decimal("1.0000000001"), Decimal("-9999999999999999999999999999.9999999999")]
    yield pa.decimal256(50, 3), [Decimal("12345678901234567890123456789012345678901234567.891")]


def scalars() -> dict[Any, list[Any]]:
    """Values of every type that is not nested."""
    texts, data = ["", "中文 \"quoted\", 'a\\b'\n", "null"], [b"", b'\x00\xff,"\n']
    return {
        pa.null(): [],
        pa.bool_(): [True, False],
        **dict(_numbers()),
        pa.string(): texts,
        pa.large_string(): texts,
        pa.string_view(): texts,
        pa.binary(): data,
        pa.large_binary(): data,
        pa.binary_view(): data,
        pa.binary(3): [b"abc"],
        pa.date32(): [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        pa.date64(): [dt.date(2024, 2, 29)],
        **dict(_times()),
    }


def nested() -> dict[Any, list[Any]]:
    """Values of nested types."""
    return {
        pa.list_(pa.int32()): [[1, None], []],
        pa.large_list(pa.string()): [["a", None]],
        pa.list_(pa.float32(), 2): [[1.5, -2.5]],
        pa.list_view(pa.int64()): [[2**60]],
        pa.list_(pa.struct([("t", pa.timestamp("us")), ("d", pa.decimal128(10, 2))])): [[{"t": NOON, "d": Decimal("1.50")}]],
        pa.struct([("x", pa.int8()), ("y", pa.list_(pa.binary()))]): [{"x": 1, "y": [b"\xff", None]}, {"x": None, "y": None}],
        pa.map_(pa.string(), pa.int64()): [[("a", 1), ("中", None)], []],
        pa.map_(pa.int32(), pa.list_(pa.string())): [[(7, ["x"])]],
    }


def encoded() -> dict[str, Any]:
    """Arrays of types that encode or extend another type."""
    return {
        "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
        "dictionary of numbers": pa.array([2**40, None, 2**40]).dictionary_encode(),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["a", None])),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=5).bytes, None], pa.binary(16))),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": [1, 2.50]}', None])),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        "tensor": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2]), pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
        ),
        "interval": pa.array([(1, 2, 3_000), None], pa.month_day_nano_interval()),
        "dense union": pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array([1]), pa.array(["a"])]
        ),
        "sparse union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
    }


def columns() -> dict[str, Any]:
    """A column of every type, by name."""
    plain = {str(kind): pa.array([*values, None], kind) for kind, values in {**scalars(), **nested()}.items()}
    return {**plain, **encoded()}


def neutral(value: Any) -> Any:
    """A value in a form that does not depend on how a program represents its type; times are in UTC."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): neutral(each) for key, each in value.items()} or []
    if isinstance(value, list | tuple):
        pairs = bool(value) and all(isinstance(each, tuple) and len(each) == 2 for each in value)
        return {str(key): neutral(each) for key, each in value} if pairs else [neutral(each) for each in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    return _neutral_scalar(value)


def _neutral_scalar(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        value = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        value = Decimal(value // dt.timedelta(microseconds=1)).scaleb(-6)
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, str):
        return _TIME.sub(lambda found: f"{found[1]}.{(found[2] or '')[:6]:0<6}", value)
    return str(value) if isinstance(value, int | uuid.UUID) and not isinstance(value, bool) else value
