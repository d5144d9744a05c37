"""Media values from columns of every accepted type."""

from typing import Any

import pyarrow as pa
import pytest

from datajob.media.values import MediaValue, accepts, is_media, media_type, media_values

STRUCT = media_type()
DATA = [b"one", b"", None, b"three" * 10]
PATHS = ["a.jpg", "b.tar#bytes=5,10", None, "c.mp4#t=1,2"]
AS_PATHS = [
    MediaValue(path="a.jpg"),
    MediaValue(path="b.tar", byte_range=(5, 10)),
    MediaValue(),
    MediaValue(path="c.mp4", time_span=(1.0, 2.0)),
]
BINARY = [pa.binary(), pa.large_binary(), pa.binary_view()]
TEXT = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]


def test_the_type_is_that_of_hugging_face() -> None:
    assert str(STRUCT) == "struct<bytes: binary, path: string>"
    assert all(field.nullable for field in STRUCT)


@pytest.mark.parametrize("kind", BINARY, ids=str)
def test_bytes_are_values_without_a_copy(kind: pa.DataType) -> None:
    found: Any = media_values(pa.array(DATA, kind))
    assert [None if v.data is None else bytes(v.data) for v in found] == DATA
    assert [v.missing for v in found] == [False, False, True, False]


@pytest.mark.parametrize("kind", TEXT, ids=str)
def test_paths_are_references(kind: pa.DataType) -> None:
    column = pa.array(PATHS).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(PATHS, kind)
    assert media_values(column) == AS_PATHS


@pytest.mark.parametrize("binary", BINARY, ids=str)
@pytest.mark.parametrize("text", TEXT[:3], ids=str)
def test_structs_have_bytes_and_paths(binary: pa.DataType, text: pa.DataType) -> None:
    for names in (("bytes", "path"), ("path", "bytes")):
        kinds = {"bytes": binary, "path": text}
        kind = pa.struct([(name, kinds[name]) for name in names])
        rows = [{"bytes": b"x", "path": "a#bytes=0,1"}, {"bytes": None, "path": "p"}, None, {"bytes": b"y", "path": None}]
        expected = [MediaValue(b"x", "a", (0, 1)), MediaValue(path="p"), MediaValue(), MediaValue(b"y")]
        assert is_media(kind)
        assert media_values(pa.array([{}, *rows], kind).slice(1)) == expected


def test_one_member_of_a_struct_can_have_the_type_null() -> None:
    references = pa.array([{"bytes": None, "path": "a.jpg"}, None])
    files = pa.array([{"bytes": b"x", "path": None}, None])
    for column, value in ((references, MediaValue(path="a.jpg")), (files, MediaValue(b"x"))):
        assert is_media(column.type)
        assert media_values(column) == [value, MediaValue()]
        assert media_values(pa.array([column.to_pylist()], pa.list_(column.type))) == [(value, MediaValue())]
    assert not is_media(pa.array([{"bytes": None, "path": None}]).type)


@pytest.mark.parametrize("make", [pa.list_, pa.large_list, pa.list_view, pa.large_list_view], ids=lambda f: f.__name__)
@pytest.mark.parametrize("item", [pa.binary(), pa.string(), pa.binary_view(), STRUCT], ids=str)
def test_lists_become_tuples(make: Any, item: pa.DataType) -> None:
    one: Any = {"bytes": b"x", "path": None} if item == STRUCT else b"x" if "binary" in str(item) else "x"
    value = MediaValue(path="x") if one == "x" else MediaValue(b"x")
    column = pa.array([[one], [one, None, one], None, [], [one]], make(item)).slice(1)
    assert accepts(column.type)
    assert media_values(column) == [(value, MediaValue(), value), (), (), (value,)]


def test_lists_of_a_fixed_size_become_tuples() -> None:
    column = pa.array([["a", "b"], None, ["c", None]], pa.list_(pa.string(), 2))
    assert media_values(column) == [(MediaValue(path="a"), MediaValue(path="b")), (), (MediaValue(path="c"), MediaValue())]


def test_columns_in_several_chunks_and_slices_keep_their_rows() -> None:
    whole = pa.chunked_array([pa.array(DATA, pa.binary()), pa.array(DATA, pa.binary())])
    assert [v.data for v in media_values(whole)] == DATA * 2  # type: ignore[union-attr]
    assert [v.data for v in media_values(whole.slice(1, 4))] == (DATA * 2)[1:5]  # type: ignore[union-attr]
    assert media_values(pa.chunked_array([], pa.string())) == []
    assert media_values(pa.array([], STRUCT)) == []
    for kind in (pa.binary(), pa.null()):
        assert media_values(pa.nulls(2, kind)) == [MediaValue(), MediaValue()]
    assert media_values(pa.array([[None], None], pa.list_(pa.null()))) == [(MediaValue(),), ()]


def test_a_reference_that_cannot_be_read_is_a_value_with_a_problem() -> None:
    (value,) = media_values(pa.array(["a#bytes=x"]))
    assert isinstance(value, MediaValue)
    assert "badReference" in str(value.problem)


OTHERS = [pa.int64(), pa.list_(pa.int64()), pa.bool_(), pa.struct([("bytes", pa.binary())])]


@pytest.mark.parametrize(
    "kind",
    [*OTHERS, pa.struct([("bytes", pa.string()), ("path", pa.string())]), pa.struct([*STRUCT, ("more", pa.string())])],
    ids=str,
)
def test_columns_of_other_types_are_refused(kind: pa.DataType) -> None:
    assert not accepts(kind)
    with pytest.raises(TypeError, match="holds no media"):
        media_values(pa.nulls(1, kind))
