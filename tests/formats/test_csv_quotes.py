"""Quotes in CSV files: doubled, escaped as by Spark, or incorrect."""

import random
from pathlib import Path
from typing import Any

import pytest

from datajob.errors import InputError
from datajob.formats.csv import CsvReader
from tests.support.rows import Bad, read

SPARK = "part-00000-1f31176a-5b63-405e-9fd8-bb39d5483790-c000.csv"
SEED = 18
PIECES = ['"', "\\", ",", "\n", "a", "中", " x", "\\n", '\\"', "#"]


def rows_of(path: Path, **parameters: Any) -> tuple[list[Any], Bad]:
    bad = Bad()
    table = read(CsvReader(paths=(str(path),), schema={"v": "string"}, **parameters), bad)
    return table.column("v").to_pylist(), bad


def of_spark(value: str) -> str:
    """A value as Spark writes it by default: unchanged, or in quotes with backslashes before quotes and backslashes."""
    if not any(character in value for character in '",\n'):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def of_most(value: str) -> str:
    """A value as most programs write it: unchanged, or in quotes that are doubled."""
    return '"' + value.replace('"', '""') + '"' if any(character in value for character in '",\n') else value


@pytest.mark.parametrize(("form", "escape"), [(of_spark, "\\"), (of_most, '"'), (of_most, None)])
@pytest.mark.parametrize("parameters", [{}, {"comment": "//"}, {"skip_blanks": False, "delimiter": "||"}])
def test_every_value_survives(tmp_path: Path, form: Any, escape: str | None, parameters: dict[str, Any]) -> None:
    chance = random.Random(SEED)
    values = ["".join(chance.choices(PIECES, k=chance.randint(1, 6))) for _ in range(500)]
    values = [value for value in values if value.strip(" ") and "|" not in value]
    delimiter = parameters.get("delimiter", ",")
    lines = [f"{i}{delimiter}{form(value)}{delimiter}z" for i, value in enumerate(values)]
    path = tmp_path / "x.csv"
    path.write_text("\n".join([delimiter.join(("i", "v", "w")), *lines, ""]))
    found, bad = rows_of(path, **({"escape": escape} if escape else {}), **parameters)
    assert not bad.records
    assert found == values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('"a"b', "text follows the closing quote of a value"),
        ('"q\\"#"', 'text follows the closing quote of a value; set `escape: "\\\\"` if the file escapes quotes'),
        ('"a\\""', 'a quote is opened but not closed correctly; set `escape: "\\\\"` if the file escapes quotes'),
        ('"" ""', "text follows the closing quote of a value"),
    ],
)
def test_a_row_with_text_after_a_closing_quote_fails(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(f'i,v\n1,a\n2,{text}\n3,"b"\n')
    found, bad = rows_of(path)
    assert found == ["a", "b"]
    assert [f"row 3: {reason}" in each for each in bad.reasons] == [True], bad.reasons


def test_blanks_may_follow_a_closing_quote(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('v,w\n"a" ,"b"\n"c","d"\t\n')
    assert rows_of(tmp_path / "x.csv")[0] == ["a ", "c"]


@pytest.mark.parametrize("value", ['"q\\"#"', '"C:\\\\dir,x"'])
def test_a_file_of_spark_with_such_values_is_refused_unless_the_job_states_the_escape(tmp_path: Path, value: str) -> None:
    (tmp_path / SPARK).write_text(f"i,v\n1,{value}\n")
    with pytest.raises(
        InputError, match=r'Spark wrote this file.* Set `escape: "\\\\"` if .* or `escape: \'"\'` if it doubled'
    ):
        rows_of(tmp_path / SPARK)
    assert rows_of(tmp_path / SPARK, escape="\\")[0] == ['q"#' if "q" in value else "C:\\dir,x"]


@pytest.mark.parametrize("text", ['i,v\n1,"a ""b"""\n', "i,v\n1,C:\\\\dir\n", 'i,v\n1,"C:\\dir, x"\n'])
def test_other_files_of_spark_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / SPARK).write_text(text)
    assert rows_of(tmp_path / SPARK)[0] == rows_of(tmp_path / SPARK, escape='"')[0]


def test_an_escape_without_quotes_applies_to_every_character(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('i,v\n1,a\\,"b\n')
    assert rows_of(tmp_path / "x.csv", quote="", escape="\\")[0] == ['a,"b']
