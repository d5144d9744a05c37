"""JSON values that a step puts into lists, structs and maps remain JSON values."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.operators.base import Batch
from datajob.operators.table.compute import Compute
from tests.support.local_jobs import make_job, run

TEXTS = ['{"a":1,"a":2}', "[1, 2.50]", None, '"x"', "12345678901234567890123", "null"]


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "in").mkdir()
    table = pa.table({"k": [1, 1, 1, 2, 2, 2], "j": pa.array(TEXTS).cast(pa.json_())})
    pq.write_table(table, tmp_path / "in/rows.parquet")
    return tmp_path


def lines(folder):
    return [line for file in sorted(folder.glob("part-*")) for line in file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("expression", "before", "after"),
    [
        ("j", "", ""),
        ("[j]", "[", "]"),
        ("[j, NULL]", "[", ",null]"),
        ("[[j]]", "[[", "]]"),
        ("{'a b': j, 'n': k}", '{"a b":', ',"n":1}'),
        ("MAP {'a': j}", '{"a":', "}"),
        ("list_transform([j], lambda v: v)", "[", "]"),
        ("{'deep': [{'j': j}]}", '{"deep":[{"j":', "}]}"),
        ("CASE WHEN k > 0 THEN j END", "", ""),
    ],
)
def test_json_values_of_expressions_are_written_nested_and_unchanged(rows, expression, before, after):
    steps = [{"compute": {"columns": {"x": expression, "k": "1"}}}, {"select": {"columns": ["x"]}}]
    if "k" in expression:
        steps.insert(0, {"compute": {"columns": {"k": "1"}}})
    run(make_job(rows / "in", rows / "out", steps, sink={"json": {"path": str(rows / "out")}}))
    expected = [f'{{"x":{before}{"null" if text is None else text}{after}}}' for text in TEXTS]
    assert lines(rows / "out") == expected


def test_collected_json_values_are_written_nested(rows):
    aggregates = {"all": {"function": "collect", "column": "j"}, "one": {"function": "first", "column": "j"}}
    steps = [{"groupBy": {"by": ["k"], "aggregates": aggregates}}]
    run(make_job(rows / "in", rows / "out", steps, sink={"json": {"path": str(rows / "out")}}))
    assert lines(rows / "out") == [
        '{"k":1,"all":[{"a":1,"a":2},[1, 2.50],null],"one":{"a":1,"a":2}}',
        '{"k":2,"all":["x",12345678901234567890123,null],"one":"x"}',
    ]


def test_lists_of_json_values_go_through_parquet_functions_exchanges_and_empty_results(rows):
    table = [{"compute": {"columns": {"x": "[j]", "s": "{'a': j}"}}}]
    run(make_job(rows / "in", rows / "mid", [*table, {"sort": {"by": ["k"]}}, {"distinct": {"columns": ["x"]}}]))
    found = pq.read_table(next((rows / "mid").glob("part-*")))
    assert found.schema.field("x").type.value_type == pa.json_()
    assert found.column("x").to_pylist() == [[text] for text in TEXTS]
    steps = [{"map": {"function": "tests.support.table_functions:same"}}, {"filter": {"where": "k > 1"}}]
    run(make_job(rows / "mid", rows / "out", steps, sink={"json": {"path": str(rows / "out")}}))
    assert [json.loads(line)["s"] for line in lines(rows / "out")] == [{"a": "x"}, {"a": 12345678901234567890123}, {"a": None}]
    run(make_job(rows / "mid", rows / "none", [{"filter": {"where": "k > 9"}}]))
    assert pq.read_table(next((rows / "none").glob("part-*"))).num_rows == 0


def test_results_of_json_functions_have_the_type_json():
    table = pa.table({"j": pa.array(['{"a": [1]}']).cast(pa.json_())})
    out = Compute(columns={"x": "j -> 'a'", "t": "j ->> 'a'", "o": "json_object('b', j)"}).apply(Batch(table))
    assert [out.schema.field(name).type for name in "xto"] == [pa.json_(), pa.string(), pa.json_()]
