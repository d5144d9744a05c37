"""Types of JSON columns: inferred from samples or declared, and only if every value survives."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.formats.json import JsonReader, JsonWriter
from tests.support.input_files import put
from tests.support.rows import Bad, read, write


def reader(path: Path, **parameters: object) -> JsonReader:
    return JsonReader(paths=(str(path),), **parameters)


def test_types_can_be_declared_and_values_preserved_as_json(tmp_path: Path) -> None:
    text = '{"n":1,"t":"2024-01-01T00:00:00Z","m":{"x":[1]}}\n{"m":"s"}\n{"m":null}\n'
    table = read(reader(put(tmp_path / "x.jsonl", text), schema={"n": "double", "t": "timestamp[us, tz=UTC]", "m": "json"}))
    assert table.schema.types == [pa.float64(), pa.timestamp("us", "UTC"), pa.json_(pa.string())]
    assert table.column("m").to_pylist() == ['{"x":[1]}', '"s"', None]


def test_the_type_of_a_column_is_that_of_most_values(tmp_path: Path) -> None:
    bad = Bad()
    path = put(tmp_path / "x.jsonl", '{"a":"x"}\n' + '{"a":1}\n' * 10 + '{"a":null}\n')
    assert read(reader(path), bad).column("a").to_pylist() == [1] * 10 + [None]
    assert len(bad.records) == 1


def test_the_error_about_incompatible_files_names_both(tmp_path: Path) -> None:
    put(tmp_path / "1.jsonl", '{"a":"x"}\n')
    put(tmp_path / "2.jsonl", '{"a":1}\n')
    with pytest.raises(InputError, match=r"Column a is string in .*/1\.jsonl but int64 in .*/2\.jsonl"):
        read(reader(tmp_path))
    bad = Bad()
    assert read(reader(tmp_path, schema={"a": "string"}), bad).to_pydict() == {"a": ["x"]}
    assert len(bad.records) == 1


EXACT = (
    '{"x": 1.10, "x": [0.1234567890123456789, 1e400], "": {}}',
    "{}",
    '[1, "\\u00e9", null]',
    '"é"',
    "-0",
    "123456789012345678901234567890",
    "true",
)


def test_json_values_are_preserved_to_the_byte(tmp_path: Path) -> None:
    lines = "".join(f'{{"id":{i},"v":{value},"t":"x"}}\n' for i, value in enumerate(EXACT))
    table = read(reader(put(tmp_path / "x.jsonl", lines), schema={"v": "json"}))
    assert table.column("v").to_pylist() == list(EXACT)
    write(JsonWriter(path=str(tmp_path / "out")), table.select(["id", "v", "t"]))
    assert (tmp_path / "out" / "00000-000.jsonl").read_text() == lines


def test_the_type_text_accepts_any_value_and_preserves_numbers(tmp_path: Path) -> None:
    lines = "".join(f'{{"v":{value}}}\n' for value in (*EXACT, "null", '"1.10"', "1.10"))
    table = read(reader(put(tmp_path / "x.jsonl", lines), schema={"v": "text"}))
    assert table.schema.types == [pa.string()]
    assert table.column("v").to_pylist() == [*EXACT[:3], "é", *EXACT[4:], None, "1.10", "1.10"]


def test_a_column_with_different_types_in_files_is_read_if_its_type_is_declared(tmp_path: Path) -> None:
    put(tmp_path / "1.jsonl", '{"a":1}\n{"a":18446744073709551616}\n')
    put(tmp_path / "2.jsonl", '{"a":"x"}\n{"a":{"b":1.0}}\n')
    assert read(reader(tmp_path, schema={"a": "text"})).to_pydict() == {"a": ["1", "18446744073709551616", "x", '{"b":1.0}']}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-9223372036854775808"], pa.int64()),
        (["18446744073709551615", "1"], pa.uint64()),
        (["18446744073709551615", "-1"], "json"),
        (["18446744073709551616"], "json"),
        (["9007199254740992", "1.5"], pa.float64()),
        (["9007199254740993", "1.5"], "json"),
        (["1.5", "1e400"], "json"),
        (["1e-400"], "json"),
        (["0.1234567890123456789"], "json"),
        (["12345678901234.5678"], "json"),
        (["0.12345678901234568", "1e300"], pa.float64()),
        (["{}", "{}"], "json"),
        (['{"a":1}', '{"a":null}'], pa.struct([("a", pa.int64())])),
        (['{"a":1}', "{}"], "json"),
        (['{"a":1}', '{"b":1}'], "json"),
        (['[{"a":1}]', '[{"a":1},{"a":2,"b":3}]'], "json"),
        (['{"":1}'], "json"),
        (['{"a":9007199254740993}', '{"a":1.5}'], "json"),
        (['{"a":1}', '{"a":"x"}'], "json"),
        (['{"a":1}', "[1]"], "json"),
        (["[1]", '["x"]'], "json"),
        (["[" * 17 + "]" * 17], "json"),
        (["[" * 16 + "]" * 16, "[]"], "deep"),
        (["[]", "[null]", "null"], pa.list_(pa.string())),
        (['"2024-01-01"'], pa.string()),
        (["null"], pa.string()),
    ],
)
@pytest.mark.parametrize("files", [1, 2])
def test_a_type_is_inferred_only_if_it_preserves_every_value(
    tmp_path: Path, values: list[str], kind: pa.DataType | str, files: int
) -> None:
    for number in range(files):
        mine = values[number::files]
        put(tmp_path / f"{number}.jsonl", "".join(f'{{"v":{value}}}\n' for value in mine) or '{"v":null}\n')
    source = reader(tmp_path)
    learned = source.schema(source.files()).field("v").type
    if kind == "json":
        assert learned == pa.json_(pa.string())
        assert sorted(filter(None, read(source).column("v").to_pylist())) == sorted(values)
    elif kind != "deep":
        assert learned == kind
    bad = Bad()
    assert read(source, bad).num_rows == max(len(values), files)
    assert bad.records == []


def test_objects_with_different_keys_use_little_memory(tmp_path: Path) -> None:
    text = "".join(f'{{"id":{i},"scores":{{"user{i}":{i}}}}}\n' for i in range(100_000))
    table = read(reader(put(tmp_path / "x.jsonl", text)))
    assert table.nbytes < 3 * len(text)
    write(JsonWriter(path=str(tmp_path / "out")), table)
    assert (tmp_path / "out" / "00000-000.jsonl").read_text() == text


def test_a_row_that_is_nested_too_deeply_fails_alone(tmp_path: Path) -> None:
    lines = [f'{{"id":{i},"thread":{{"text":"t","replies":[]}}}}' for i in range(1000)]
    lines.insert(500, '{"id":-1,"thread":' + '{"text":"t","replies":[' * 500 + "]}" * 500 + "}")
    bad = Bad()
    table = read(reader(put(tmp_path / "x.jsonl", "\n".join(lines))), bad)
    assert table.column("id").to_pylist() == list(range(1000))
    assert table.column("thread").to_pylist()[0] == {"text": "t", "replies": []}
    assert len(bad.records) == 1


@pytest.mark.parametrize("depth", [200, 300, 100_000])
def test_json_text_is_limited_in_depth(tmp_path: Path, depth: int) -> None:
    bad = Bad()
    text = '{"a":1,"v":' + "[" * depth + "]" * depth + '}\n{"a":2,"v":0}\n'
    table = read(reader(put(tmp_path / "x.jsonl", text), schema={"v": "json"}), bad)
    assert table.column("a").to_pylist() == ([1, 2] if depth == 200 else [2])
    assert all("nested too deeply" in reason for reason in bad.reasons)


@pytest.mark.parametrize("kind", ["json", "text", None])
@pytest.mark.parametrize("line", ['{"v":"a\\ud83d","t":"b"}', '{"v":{"k":"\\uDE00"},"t":"b"}', '{"v":1,"t":"\\ud83d\\ud83d"}'])
def test_a_lone_surrogate_fails_its_row_or_is_replaced_on_request(tmp_path: Path, line: str, kind: str | None) -> None:
    schema = {"v": kind or "json"} if kind else {}
    good = '{"v":"\\ud83d\\ude00","t":"\\\\ud83d"}' if "{" not in line[1:] else '{"v":{"k":"x"},"t":"b"}'
    path = put(tmp_path / "x.jsonl", f"{good}\n{line}\n{good}\n")
    bad = Bad()
    assert read(reader(path, schema=schema or {"v": "json"}), bad).num_rows == 2
    assert len(bad.records) == 1
    assert "half of a surrogate pair" in bad.reasons[0] or "surrogate" in bad.reasons[0]
    bad = Bad()
    table = read(reader(path, schema=schema or {"v": "json"}, surrogates="replace"), bad)
    assert (table.num_rows, bad.records) == (3, [])
    write(JsonWriter(path=str(tmp_path / "out")), table)
    rows = [json.loads(row) for row in (tmp_path / "out" / "00000-000.jsonl").read_text().splitlines()]
    assert "\ufffd" in json.dumps(rows[1], ensure_ascii=False).replace("\\\\ufffd", "\ufffd")


def test_large_unsigned_integers_and_fractions_in_two_files_are_preserved(tmp_path: Path) -> None:
    put(tmp_path / "1.jsonl", '{"a":18446744073709551615}\n')
    put(tmp_path / "2.jsonl", '{"a":0.5}\n')
    assert read(reader(tmp_path)).column("a").to_pylist() == ["18446744073709551615", "0.5"]
