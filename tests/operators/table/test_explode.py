import pyarrow as pa
import pytest

from datajob.errors import InvalidJob
from datajob.operators.base import Batch
from datajob.operators.table.explode import Explode

LISTS = [[1, 2], [], None, [None], [3]]
KINDS = [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_view(pa.int64())]


def explode(lists, kind, **parameters):
    table = pa.table({"id": range(len(lists)), "xs": pa.array(lists, kind), "z": ["z"] * len(lists)})
    return Explode(column="xs", **parameters).expand(Batch(table))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    ("keep_empty", "ids", "values"),
    [(False, [0, 0, 3, 4], [1, 2, None, 3]), (True, [0, 0, 1, 2, 3, 4], [1, 2, None, None, None, 3])],
)
def test_each_value_of_a_list_becomes_a_row(kind, keep_empty, ids, values):
    out = explode(LISTS, kind, keep_empty=keep_empty)
    assert out.column_names == ["id", "xs", "z"]
    assert out.schema.field("xs").type == pa.int64()
    assert out.column("id").to_pylist() == ids
    assert out.column("xs").to_pylist() == values


@pytest.mark.parametrize(("keep_empty", "values"), [(False, [1, 2, 5, 6]), (True, [1, 2, None, 5, 6])])
def test_lists_of_a_fixed_size_are_exploded(keep_empty, values):
    assert explode([[1, 2], None, [5, 6]], pa.list_(pa.int64(), 2), keep_empty=keep_empty).column("xs").to_pylist() == values


@pytest.mark.parametrize("keep_empty", [False, True])
def test_slices_chunks_and_empty_tables_are_exploded(keep_empty):
    table = pa.table({"xs": [["a"], ["b", "c"], [], ["d"]]})
    both = pa.concat_tables([table.slice(1, 2), table.slice(3)])
    step = Explode(column="xs", keep_empty=keep_empty)
    assert step.expand(Batch(both)).column("xs").to_pylist() == ["b", "c", *([None] if keep_empty else []), "d"]
    assert step.expand(Batch(table.slice(0, 0))).schema == pa.schema([("xs", pa.string())])
    assert step.expand(Batch(table.slice(2, 1))).column("xs").to_pylist() == ([None] if keep_empty else [])


@pytest.mark.parametrize("kind", [pa.null(), pa.string()])
@pytest.mark.parametrize(("keep_empty", "values"), [(False, []), (True, [None, None])])
def test_a_column_that_is_null_everywhere_has_no_lists(kind, keep_empty, values):
    out = explode([None, None], kind, keep_empty=keep_empty)
    assert out.column("xs").to_pylist() == values
    assert out.schema.field("xs").type == kind


def test_lists_of_structs_are_exploded():
    out = explode([[{"a": 1}, None], [{"a": 2}]], pa.list_(pa.struct([("a", pa.int64())])))
    assert out.column("xs").to_pylist() == [{"a": 1}, None, {"a": 2}]


@pytest.mark.parametrize(
    ("column", "message"), [("x", "did you mean `xs`"), ("z", "needs a list column, but column `z` has type string")]
)
def test_a_column_without_lists_is_rejected(column, message):
    table = pa.table({"xs": [[1]], "z": ["z"]})
    with pytest.raises(InvalidJob, match=message):
        Explode(column=column).expand(Batch(table))
