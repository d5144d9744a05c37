"""Keys of JSON objects outside the sample from which types are inferred: none is lost and none is added."""

import json
from pathlib import Path
from typing import Any

import pytest

from datajob.formats import _json_schema
from datajob.formats.json import JsonReader
from tests.support.rows import Bad, read

ROWS = 600
OUTSIDE = range(150, 160)
"""Rows between the pieces of the sample."""


def _rows(usual: Any, other: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"id": i, **more, "o": other if i in OUTSIDE else usual} for i in range(ROWS)]


def _read(folder: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> tuple[Any, Bad]:
    monkeypatch.setattr(_json_schema, "SAMPLE_BYTES", 3000)
    monkeypatch.setattr(_json_schema, "PIECE_BYTES", 1000)
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    bad = Bad()
    return read(JsonReader(paths=(str(folder),), **parameters), bad).to_pylist(), bad


CASES = [
    ({"a": 1, "b": 2}, {"a": 1}, "an object in column o lacks the key b"),
    ({"a": 1, "b": None}, {"a": 1}, "an object in column o lacks the key b"),
    ([{"a": 1, "b": 2}], [{"a": 1, "b": 2}, {"b": 2}], "an object in column o[] lacks the key a"),
    ({"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}, "an object in column o.a lacks the key y"),
    ({"a": 1}, {"a": 1, "b": 2}, "field o.b is not among the columns"),
    ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, "field o.a.y is not among the columns"),
    ([{"a": 1}], [{"a": 1, "b": None}], "field o[].b is not among the columns"),
    ({"id": 1, "b": 2}, {"b": 2}, "an object in column o lacks the key id"),
]


@pytest.mark.parametrize("more", [{}, {"n": 1.5}, {"b": "x"}, {"t": '{"b": 1} "b": a'}])
@pytest.mark.parametrize("columns", [None, ("id", "o")])
@pytest.mark.parametrize(("usual", "other", "reason"), CASES)
def test_an_object_with_other_keys_than_those_of_the_sample_fails_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usual: Any, other: Any, reason: str, columns: Any, more: Any
) -> None:
    rows = _rows(usual, other, **more)
    found, bad = _read(tmp_path, rows, monkeypatch, columns=columns)
    kept = [name for name in ("id", *more, "o") if columns is None or name in columns]
    assert found == [{name: row[name] for name in kept} for row in rows if row["id"] not in OUTSIDE]
    assert len(bad.records) == len(OUTSIDE)
    assert all(reason in why for why in bad.reasons), bad.reasons[:1]


def test_objects_without_keys_next_to_objects_with_the_same_keys_are_preserved(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": {"x": 1}, "b": {"x": 1}}, {"a": {"x": None}, "b": {}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (first, second) = read(JsonReader(paths=(str(tmp_path),))).to_pylist()
    assert (first["a"], second["a"]) == ({"x": 1}, {"x": None})
    assert (json.loads(first["b"]), json.loads(second["b"])) == ({"x": 1}, {})


def test_objects_of_a_declared_type_may_lack_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows({"a": 1, "b": 2}, {"a": 1})
    found, bad = _read(tmp_path, rows, monkeypatch, schema={"o": "struct<a: int64, b: int64>"})
    assert bad.records == []
    assert [row["o"] for row in found] == [{"b": None, **row["o"]} for row in rows]


def test_objects_in_text_are_preserved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows({"a": 1, "b": 2}, {"c": 1})
    found, bad = _read(tmp_path, rows, monkeypatch, schema={"o": "json"})
    assert bad.records == []
    assert [json.loads(row["o"]) for row in found] == [row["o"] for row in rows]


@pytest.mark.parametrize("changing", [1, "x", [1], {"q": 1}])
def test_columns_that_are_not_read_may_have_any_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changing: Any) -> None:
    rows = [{**row, "ignored": changing if row["id"] % 2 else 1.5} for row in _rows({"a": 1}, {"a": None})]
    found, bad = _read(tmp_path, rows, monkeypatch, columns=("id", "o"))
    assert bad.records == []
    assert found == [{"id": row["id"], "o": row["o"]} for row in rows]
