import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from datajob.errors import InvalidJob
from datajob.operators.table.join import Join
from tests.support.exchange import repartitioned, rows_of
from tests.support.local_jobs import make_job, read_manifest, run, write_parts

RIGHT = {"parquet": {"paths": ["right.parquet"]}}
HOW = ["inner", "left", "right", "full", "semi", "anti"]


def step(**parameters):
    return Join(right=RIGHT, **({"by": ["k"]} | parameters))


def expected(left, right, how):
    """Every pair of rows compared."""

    def agree(a, b):
        return a["k"] is not None and a["k"] == b["k"]

    if how in ("semi", "anti"):
        return [a for a in left if any(agree(a, b) for b in right) == (how == "semi")]
    rows = [{**a, "y": b["y"], "x_right": b["x"]} for a in left for b in right if agree(a, b)]
    if how in ("left", "full"):
        rows += [{**a, "y": None, "x_right": None} for a in left if not any(agree(a, b) for b in right)]
    if how in ("right", "full"):
        rows += [{"k": b["k"], "x": None, "y": b["y"], "x_right": b["x"]} for b in right if not any(agree(a, b) for a in left)]
    return rows


KEY = st.none() | st.sampled_from(["", "a", "b", "c"])


@given(st.lists(KEY, max_size=12), st.lists(KEY, max_size=12), st.integers(1, 4), st.integers(1, 9))
@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("how", HOW)
def test_rows_are_joined_as_if_every_pair_were_compared(how, left, right, partitions, size):
    left = pa.table({"k": pa.array(left, pa.string()), "x": pa.array(range(len(left)), pa.int64())})
    right = pa.table(
        {
            "y": pa.array([[i] for i in range(len(right))], pa.list_(pa.int64())),
            "k": pa.array(right, pa.large_string()),
            "x": pa.array(["r"] * len(right), pa.string()),
        }
    )
    found = rows_of(repartitioned(step(how=how), left, right, partitions=partitions, size=size))
    assert sorted(map(repr, found)) == sorted(repr(r) for r in expected(left.to_pylist(), right.to_pylist(), how))


@pytest.mark.parametrize(
    ("left", "right", "matches"),
    [
        (pa.array([1, 2], pa.int8()), pa.array([2, 3], pa.int64()), 1),
        (pa.array([1, 2]), pa.array([2.0, 2.5]), 1),
        (pa.array(["a", "b"]), pa.array(["b", "c"]).dictionary_encode(), 1),
        (pa.array([b"a"]), pa.array([b"a"], pa.large_binary()), 1),
        (pa.array([1_000], pa.timestamp("ms")), pa.array([1], pa.timestamp("s")), 1),
        (pa.array([[1], [2]]), pa.array([[2], [3]]), 1),
        (pa.array([{"a": 1}]), pa.array([{"a": 1}]), 1),
        (pa.array([float("nan")]), pa.array([float("nan")]), 1),
        (pa.array([True, False]), pa.array([True, True]), 2),
    ],
    ids=lambda v: str(v.type) if isinstance(v, pa.Array) else "",
)
def test_keys_of_like_types_match(left, right, matches):
    for partitions in (1, 3):
        assert (
            len(rows_of(repartitioned(step(), pa.table({"k": left}), pa.table({"k": right}), partitions=partitions))) == matches
        )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (pa.array([1]), pa.array(["1"])),
        (pa.array([1], pa.timestamp("s")), pa.array([1], pa.timestamp("s", "UTC"))),
        (pa.array([[1]]), pa.array([["1"]])),
    ],
)
def test_keys_that_are_never_equal_are_rejected(left, right):
    with pytest.raises(InvalidJob, match="never equal"):
        repartitioned(step(), pa.table({"k": left}), pa.table({"k": right}))


def test_several_keys_under_different_names():
    left = pa.table({"a": [1, 1, 2], "b": ["x", "y", "x"], "v": [1, 2, 3]})
    right = pa.table({"c": [1, 2, 9], "d": ["y", "x", "z"], "w": [10, 20, 30]})
    by = {"by": None, "left_by": ["a", "b"], "right_by": ["c", "d"]}
    assert rows_of(repartitioned(step(**by), left, right)) == [
        {"a": 1, "b": "y", "v": 2, "w": 10},
        {"a": 2, "b": "x", "v": 3, "w": 20},
    ]
    assert rows_of(repartitioned(step(**by, how="full"), left, right))[-1] == {"a": 9, "b": "z", "v": None, "w": 30}


def test_matches_follow_the_order_of_the_left_then_of_the_right():
    left = pa.table({"k": ["b", "a", "b"], "x": [1, 2, 3]})
    right = pa.table({"k": ["b", "a", "b"], "y": [1, 2, 3]})
    found = rows_of(repartitioned(step(), left, right))
    assert [(r["x"], r["y"]) for r in found] == [(1, 1), (1, 3), (2, 2), (3, 1), (3, 3)]


@pytest.mark.parametrize(("how", "rows"), [("inner", 0), ("left", 0), ("right", 2), ("full", 2), ("semi", 0), ("anti", 0)])
def test_a_left_side_that_never_had_a_row_is_joined(how, rows):
    found = list(step(how=how).combine([pa.table({}), pa.table({"k": [1, None], "y": [1, 2]})], 0))
    assert sum(map(len, found)) == rows
    for table in found:
        assert table.column("k").to_pylist() == [1, None]


@pytest.mark.parametrize(("how", "rows"), [("inner", 0), ("left", 2), ("right", 0), ("full", 2), ("semi", 0), ("anti", 2)])
def test_an_empty_right_side_is_joined(how, rows):
    left = pa.table({"k": [1, None], "x": [1, 2]})
    right = pa.table({"k": pa.array([], pa.int64()), "y": pa.array([], pa.string())})
    assert len(rows_of(repartitioned(step(how=how), left, right, partitions=2))) == rows


def test_many_null_keys_do_not_pile_up_in_one_partition():
    left = pa.table({"k": pa.nulls(1_000, pa.string()), "x": range(1_000)})
    right = pa.table({"k": ["a"], "y": [1]})
    sizes = [len(t) for t in repartitioned(step(how="left"), left, right, partitions=4, size=100)]
    assert sizes == [250] * 4


def test_only_keys_of_the_right_side_move_when_nothing_else_is_wanted():
    from datajob.operators.base import Batch

    right = Batch(pa.table({"k": ["a", None], "y": [1, 2]}))
    assert step(how="semi").prepare(right, 1).to_pydict() == {"k": ["a"]}
    assert step(how="inner").prepare(right, 1).to_pydict() == {"k": ["a"], "y": [1]}
    assert step(how="full").prepare(right, 1).num_rows == 2


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"by": None}, "set either `by`"),
        ({"left_by": ["k"], "right_by": ["k"]}, "set either `by`"),
        ({"by": None, "left_by": ["a", "b"], "right_by": ["c"]}, "has 2 columns"),
        ({"by": None, "left_by": ["a"]}, "has 1 columns"),
        ({"how": "cross"}, "inner"),
    ],
)
def test_invalid_parameters_are_rejected(parameters, message):
    with pytest.raises(ValidationError, match=message):
        step(**parameters)


def test_a_missing_key_names_its_side():
    with pytest.raises(InvalidJob, match=r"right side.*needs a column `k`.*did you mean `K`"):
        repartitioned(step(), pa.table({"k": [1]}), pa.table({"K": [1]}))


def test_clashing_columns_are_rejected():
    left, right = pa.table({"k": [1], "x": [1], "x_right": [1]}), pa.table({"k": [1], "x": [1]})
    with pytest.raises(InvalidJob, match=r"two columns named `x_right`.*another `suffix`"):
        repartitioned(step(), left, right)
    assert rows_of(repartitioned(step(suffix="_2"), left, right)) == [{"k": 1, "x": 1, "x_right": 1, "x_2": 1}]


def test_the_columns_before_and_after_are_known(tmp_path):
    pq.write_table(pa.table({"k": [1], "x": [1]}), tmp_path / "right.parquet")
    known = {"parquet": {"paths": [str(tmp_path)], "columns": ["k", "x"]}}
    join = Join(right=known, by=["k"])
    assert join.inputs() == ("k",)
    assert join.outputs(("k", "x")) == ("k", "x", "x_right")
    assert step().outputs(("k", "x")) is None
    assert step(how="anti").outputs(("k", "x")) == ("k", "x")
    assert [source.key for source in join.side_sources()] == ["parquet"]


@pytest.mark.parametrize(
    ("left", "right", "kind", "expected"),
    [
        (pa.int32(), pa.int64(), pa.int64(), [1, 2**40]),
        (pa.int64(), pa.uint64(), pa.decimal128(20), [1, 2**63 + 5]),
        (pa.int64(), pa.float64(), pa.float64(), [1, 0.5]),
        (pa.string(), pa.large_string(), pa.large_string(), ["a", "b"]),
        (pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us"), None),
        (pa.null(), pa.string(), pa.string(), [None, "b"]),
    ],
)
def test_keys_of_two_types_become_one_that_holds_both(left, right, kind, expected):
    values = expected or [1, 1_500_000]
    table = pa.table({"k": pa.array(values[:1], left)}), pa.table({"k": pa.array(values[1:], right), "v": [5]})
    found = pa.concat_tables(repartitioned(step(how="full"), *table))
    assert found.schema.field("k").type == kind
    assert found.column("v").to_pylist() == [None, 5]
    if expected:
        assert [float(k) if isinstance(k, float) else k for k in found.column("k").to_pylist()] == expected


def test_keys_that_no_type_holds_are_refused():
    left, right = pa.table({"k": [2**53 + 1]}), pa.table({"k": [0.5], "v": [1]})
    with pytest.raises(InvalidJob, match=r"`join` cannot combine the keys .* in one column without changing a value"):
        repartitioned(step(how="full"), left, right)


def test_a_part_of_a_key_that_only_holds_nulls_agrees_with_any_type():
    left = pa.table({"k": pa.array([{"a": 1, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.null())]))})
    right = pa.table({"k": [{"a": 1, "b": None}, {"a": 1, "b": "x"}], "v": [5, 6]})
    assert rows_of(repartitioned(step(), left, right)) == [{"k": {"a": 1, "b": None}, "v": 5}]
    back = rows_of(repartitioned(step(), right.select(["k"]), left.append_column("v", pa.array([7]))))
    assert back == [{"k": {"a": 1, "b": None}, "v": 7}]


def test_an_unsigned_key_does_not_match_the_negative_number_with_the_same_bits(tmp_path):
    write_parts(tmp_path / "in", [{"k": 2**64 - 1}, {"k": 5}], 1, pa.schema([("k", pa.uint64())]))
    write_parts(tmp_path / "right", [{"k": -1, "r": 1}, {"k": 5, "r": 2}], 1)
    step = {"join": {"right": {"parquet": {"paths": [str(tmp_path / "right")]}}, "by": ["k"], "how": "left"}}
    run(make_job(tmp_path / "in", tmp_path / "out", [step]))
    assert read_manifest(tmp_path / "out") == [{"k": 2**64 - 1, "r": None}, {"k": 5, "r": 2}]
