"""Types that hold every value exactly."""

import decimal
import math
import uuid

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.formats._exact import common_type, exact_cast, exact_concat, survives_double


@pytest.mark.parametrize(
    "text",
    ["0", "1.5", "-0.0", "1e10", "0.1", "1e-7", "0.10000000000000001", "9007199254740992", "123456789012345678e-3", "1e308",
     "0.1000000000000000055511151231257827021181583404541015625", "-1.10", "00.5", "1e22", "100000000000000000000"],
)  # fmt: skip
def test_a_double_holds_these_numbers(text: str) -> None:
    assert survives_double(text) == (text != "123456789012345678e-3")


@pytest.mark.parametrize(
    "text",
    ["9007199254740993", "0.1234567890123456789", "1e400", "1e-400", "-0", "nan", "inf", "", ".", "+1", "12345678901234567.0",
     "1e99999999999999999999", "-1e-99999999999999999999"],
)  # fmt: skip
def test_a_double_cannot_represent_these_texts(text: str) -> None:
    assert not survives_double(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_survives_its_own_text(number: float) -> None:
    for text in (repr(number), f"{number:.17g}", f"{number:.25e}"):
        assert survives_double(text) or text == "-0"


@given(st.decimals(min_value=-(10**11), max_value=10**11, places=3))
def test_numbers_of_15_digits_always_survive(number: decimal.Decimal) -> None:
    text = f"{number:f}"
    assert survives_double(text)
    assert round(decimal.Decimal(float(text)), 3) == number


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        (pa.int32(), pa.int64(), pa.int64()),
        (pa.uint32(), pa.int32(), pa.int64()),
        (pa.uint64(), pa.int8(), pa.decimal128(20)),
        (pa.int64(), pa.float32(), pa.float64()),
        (pa.float32(), pa.float64(), pa.float64()),
        (pa.decimal128(10, 2), pa.int64(), pa.decimal128(22, 2)),
        (pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal256(48, 10)),
        (pa.null(), pa.string(), pa.string()),
        (pa.timestamp("ms", "UTC"), pa.timestamp("us", "Europe/Berlin"), pa.timestamp("us", "UTC")),
        (pa.date32(), pa.date64(), pa.date64()),
        (pa.list_(pa.int8()), pa.list_(pa.float32(), 2), pa.list_(pa.float64())),
        (pa.struct([("a", pa.int8())]), pa.struct([("b", pa.string()), ("a", pa.int64())]),
         pa.struct([("a", pa.int64()), ("b", pa.string())])),
        (pa.map_(pa.string(), pa.int8()), pa.map_(pa.string(), pa.int16()), pa.map_(pa.string(), pa.int16())),
    ],
)  # fmt: skip
def test_two_types_unite_to_one_that_holds_both(a: pa.DataType, b: pa.DataType, kind: pa.DataType) -> None:
    assert common_type(a, b) == kind


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (pa.decimal128(38, 2), pa.float64()),
        (pa.int64(), pa.string()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.struct([("a", pa.int64())]), pa.list_(pa.int64())),
        (pa.json_(), pa.string()),
        (pa.decimal256(76, 0), pa.decimal256(76, 2)),
    ],
)
def test_types_that_no_type_holds_without_loss_do_not_unite(a: pa.DataType, b: pa.DataType) -> None:
    for pair in ((a, b), (b, a)):
        with pytest.raises(pa.ArrowException):
            common_type(*pair)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([0.1]), pa.float32()),
        (pa.array([decimal.Decimal("12345678901234567890.12")]), pa.float64()),
        (pa.array([9007199254740993]), pa.float64()),
        (pa.array([16777217]), pa.float32()),
        (pa.array([[{"a": 0.1}]]), pa.list_(pa.struct([("a", pa.float32())]))),
        (pa.array([0.15]), pa.decimal128(5, 1)),
        (pa.array([1.5]), pa.int64()),
    ],
)
def test_a_cast_that_would_round_is_an_error(values: pa.Array, kind: pa.DataType) -> None:
    with pytest.raises(pa.ArrowInvalid):
        exact_cast(pa.chunked_array([values]), kind)


def test_casts_that_keep_every_value_are_made() -> None:
    floats = pa.chunked_array([[1.5, None, math.nan, math.inf]])
    assert exact_cast(floats, pa.float32()).type == pa.float32()
    assert exact_cast(pa.chunked_array([[decimal.Decimal("1.5")]]), pa.float64()).to_pylist() == [1.5]
    assert exact_cast(pa.chunked_array([[1, 2**53]]), pa.float64()).to_pylist() == [1.0, 2.0**53]


def test_tables_are_put_together_only_where_no_value_changes() -> None:
    ints, doubles = pa.table({"a": [2**53 + 1]}), pa.table({"a": [1.5], "b": ["x"]})
    assert exact_concat([pa.table({"a": [1]}), doubles]).to_pydict() == {"a": [1.0, 1.5], "b": [None, "x"]}
    with pytest.raises(pa.ArrowInvalid):
        exact_concat([ints, doubles])
    with pytest.raises(pa.ArrowTypeError, match="column a is int64 in some rows and string in others"):
        exact_concat([ints, pa.table({"a": ["x"]})])


NULLS = pa.null()


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([[None] * 3, [], None], pa.large_list(NULLS)), pa.list_(NULLS)),
        (pa.array([[None] * 3, [], None], pa.list_(NULLS)), pa.large_list(NULLS)),
        (pa.array([[None] * 3, [], None], pa.list_view(NULLS)), pa.list_(NULLS)),
        (pa.array([[None] * 2, None, [None] * 2], pa.list_(NULLS, 2)), pa.list_(NULLS)),
        (pa.array([[[None] * 3, []], None, [None]], pa.list_(pa.large_list(NULLS))), pa.list_(pa.list_(NULLS))),
        (
            pa.array([[("a", [None] * 2)], [], None], pa.map_(pa.large_string(), pa.list_(NULLS))),
            pa.map_(pa.string(), pa.list_(NULLS)),
        ),
        (
            pa.array([{"a": "x", "b": [None] * 4}, None, {}], pa.struct([("a", pa.large_string()), ("b", pa.list_(NULLS))])),
            pa.struct([("a", pa.string()), ("b", pa.list_(NULLS)), ("c", pa.int64())]),
        ),
        (
            pa.array(
                [[{"a": "x", "b": [None]}], None], pa.list_(pa.struct([("a", pa.large_string()), ("b", pa.list_(NULLS))]), 1)
            ),
            pa.list_(pa.struct([("a", pa.string()), ("b", pa.list_(NULLS))]), 1),
        ),
        (
            pa.array(
                [None, {"f": [{"n": None, "d": 1}, None]}],
                pa.struct([("f", pa.list_(pa.struct([("n", NULLS), ("d", pa.int8())]), 2))]),
            ),
            pa.struct([("f", pa.list_(pa.struct([("n", NULLS), ("d", pa.int64())]), 2))]),
        ),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)  # fmt: skip
def test_lists_of_nulls_keep_their_lengths(array: pa.Array, kind: pa.DataType) -> None:
    doubled = pa.concat_arrays([array, array])
    for part in (array, array.slice(1), doubled.slice(1, len(array))):
        cast = exact_cast(pa.chunked_array([part]), kind)
        cast.validate(full=True)
        assert cast.type == kind
        assert [lengths(row) for row in cast.to_pylist()] == [lengths(row) for row in part.to_pylist()]


def lengths(value: object) -> object:
    """A value without the members that another type adds."""
    if isinstance(value, dict):
        return {name: lengths(item) for name, item in value.items() if name != "c"}
    return [lengths(item) for item in value] if isinstance(value, list | tuple) else value


VIEWS = [pa.list_view(pa.int64()), pa.large_list_view(pa.int64())]


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("rows", [[], [None], [[0]], [[1, None], [], None, [2]], [[5]] * 3])
def test_list_views_become_lists_with_the_same_values(view: pa.DataType, rows: list[list[int | None] | None]) -> None:
    item = pa.list_(pa.int64())
    members = [{"x": row} for row in rows]
    for array, kind, values in (
        (pa.array([[7], *rows], view).slice(1), item, rows),
        (pa.array([[7], *rows], view).slice(1), pa.large_list(pa.int32()), rows),
        (pa.array([rows], pa.list_view(view)), pa.list_(item), [rows]),
        (pa.array(members, pa.struct([("x", view)])), pa.struct([("x", item)]), members),
    ):
        for cast in (exact_cast(array, kind), exact_cast(pa.chunked_array([array]), kind)):
            cast.validate(full=True)
            assert cast.to_pylist() == values


def test_uuids_become_texts_and_not_their_bytes() -> None:
    ids = pa.array([uuid.UUID(int=7).bytes, None], pa.binary(16))
    column = pa.chunked_array([pa.ExtensionArray.from_storage(pa.uuid(), ids)])
    assert exact_cast(column, pa.string()).to_pylist() == ["00000000-0000-0000-0000-000000000007", None]
    nested = pa.StructArray.from_arrays([column.chunk(0)], names=["id"])
    assert exact_cast(nested, pa.struct([("id", pa.string())])).to_pylist()[0] == {"id": str(uuid.UUID(int=7))}
