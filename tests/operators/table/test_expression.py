import pytest

from datajob.errors import InvalidJob
from datajob.operators.table import _expression
from datajob.operators.table._expression import columns_of, parse


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("length(text) > 50", ("text",)),
        ("a + b * a", ("a", "b")),
        ("1", ()),
        ('"My Col" || b', ("My Col", "b")),
        ("meta.lang = 'de'", ("meta",)),
        ("meta -> 'lang'", ("meta",)),
        ("list_transform(xs, lambda x: x + n)", ("xs", "n")),
        ("list_transform(xs, lambda x, i: x + i + x2)", ("xs", "x2")),
        ("[x + n for x in xs if x > m]", ("xs", "m", "n")),
        ("CASE WHEN a THEN b ELSE c END", ("a", "b", "c")),
        ("a BETWEEN b AND c", ("a", "b", "c")),
        ("try_cast(a AS DECIMAL(10, 2))", ("a",)),
        ("a -- the rest is a comment )", ("a",)),
        ("round(a,\n 2)", ("a",)),
        ("coalesce(a, split_part(b, ',', 1), if(c, d, e))", ("a", "b", "c", "d", "e")),
        ("a COLLATE nocase = b", ("a", "b")),
        ("assert_true(a > 0)", ("a",)),
        ("{'x': a, 'y': [b]}", ("a", "b")),
    ],
)
def test_the_columns_an_expression_reads_are_found(text, columns):
    assert parse(text).columns == columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1); DROP TABLE x; SELECT (1", "not a single SQL expression"),
        ("1), (2", "not a single SQL expression"),
        ("a) FROM x WHERE (b", "not a single SQL expression"),
        ("", "not a single SQL expression"),
        ("  ", "not a single SQL expression"),
        ("(SELECT count(*) FROM read_csv('/etc/passwd'))", "subquery"),
        ("x IN (SELECT 1)", "subquery"),
        ("EXISTS (FROM x)", "subquery"),
        ("read_csv('/etc/passwd')", "not a function of one row"),
        ("read_text('/etc/passwd')", "Use a source"),
        ("main.read_text('/etc/passwd')", "write `read_text"),
        ("getenv('HOME')", "not a function of one row"),
        ("lenght(text)", "did you mean `length`"),
        ("ATTACH 'x' AS y", "not a valid SQL expression"),
        ("COPY t TO 'x'", "not a valid SQL expression"),
        ("PRAGMA version", "not a valid SQL expression"),
        ("INSTALL httpfs", "not a valid SQL expression"),
        ("1 LIMIT 2", "not a valid SQL expression"),
        ("text AS x", "not a valid SQL expression"),
        ("sum(n)", "aggregate `sum`.*`list_sum`"),
        ("count(*)", "aggregate `count`"),
        ("geomean(n)", "more than the row"),
        ("row_number() OVER ()", "window"),
        ("unnest(xs)", "`explode`"),
        ("regexp_split_to_table(t, 'a')", "more than the row"),
        ("*", "write the names of the columns"),
        ("columns('a.*')", "write the names of the columns"),
        ("$1", "parameter"),
        ("?", "parameter"),
        ("now()", "restarted"),
        ("random()", "`sample`"),
        ("uuid()", "restarted"),
        ("nextval('s')", "restarted"),
        ("current_setting('threads')", "restarted"),
        ("text.upper()", r"write `upper\(text"),
    ],
)
def test_expressions_that_need_more_than_a_row_are_rejected(text, message):
    with pytest.raises(InvalidJob, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("text", "pointed"),
    [
        ("text +\n  foo bar", "\n      foo bar\n          ^"),
        ("'中文' || x y", "\n    '中文' || x y\n              ^"),
        ("length(text", "\n    length(text\n               ^"),
    ],
)
def test_a_syntax_error_shows_its_line_and_a_caret(text, pointed):
    with pytest.raises(InvalidJob) as caught:
        parse(text)
    assert str(caught.value).endswith(pointed)


def test_no_columns_are_known_where_duckdb_is_missing(monkeypatch):
    monkeypatch.setattr(_expression, "find_spec", lambda name: None)
    assert columns_of(("length(text)",)) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("regexp_matches(text, '(?<=a)b')", "invalid perl operator"),
        ("regexp_replace(text, '(a)', '\\2')", "only has 1 parenthesized"),
        ("regexp_replace(text, '日本', '\\n')", "must be followed by a digit"),
        ("regexp_extract(text, '(a', 1)", "missing \\)"),
        ("regexp_extract(text, '(a)b', 2)", "Cannot access group 2"),
        ("regexp_extract_all(text, 'ab', 1)", "Cannot access group 1"),
        ("text SIMILAR TO '(a'", "missing \\)"),
        ("length(text) > 1 AND text ~ '[a'", "missing \\]"),
        ("regexp_split_to_array(text, '(')", "missing \\)"),
    ],
)
def test_a_pattern_that_duckdb_cannot_use_is_refused_before_the_job_runs(text, problem):
    with pytest.raises(InvalidJob, match=f"contains an invalid regular expression: .*{problem}"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "regexp_matches(text, '\\p{Han}')",
        "regexp_replace(text, '(a)', '\\1\\0', 'g')",
        "regexp_extract(text, '(a)|b', 1)",
        "regexp_extract(text, '(?P<x>a)', ['x'])",
        "regexp_matches(text, pattern)",
        "regexp_matches('a(', text)",
    ],
)
def test_a_pattern_that_duckdb_can_use_is_accepted(text):
    assert parse(text).columns


@pytest.mark.parametrize("text", ["list_aggregate(xs, 'sum')", "array_aggregate([a, b], 'min')", "list_aggr(xs, 'avg')"])
def test_an_aggregate_of_a_list_is_not_taken_for_a_regular_expression(text):
    assert parse(text).columns
