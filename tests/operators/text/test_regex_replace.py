"""regexReplace replaces matches; the engine that runs the pattern also checks it."""

import subprocess
import sys

import pyarrow as pa
import pytest
from pydantic import ValidationError

from datajob.operators.base import Batch
from datajob.operators.text.regex_replace import RegexReplace
from tests.support.texts import batch_of, changed

RE2_ONLY = [
    (r"\p{Han}+", "ab漢字cd", "ab-cd"),
    (r"\pL", "a1é", "-1-"),
    (r"a\z", "aba", "ab-"),
    (r"(?<n>a)", "bab", "b-b"),
    (r"\x{4e00}", "x一", "x-"),
    (r"\Qa.b\E", "a.b axb", "- axb"),
    (r"(?U)a+", "aa", "--"),
    (r"[[:alpha:]]", "a1", "-1"),
]


@pytest.mark.parametrize(("pattern", "text", "expected"), RE2_ONLY)
@pytest.mark.filterwarnings("error")
def test_syntax_that_only_re2_has_is_accepted(pattern: str, text: str, expected: str) -> None:
    step = RegexReplace(pattern=pattern, replacement="-")
    assert step.apply(Batch(pa.table({"text": [text]}))).to_pydict() == {"text": [expected]}


@pytest.mark.parametrize(
    ("pattern", "replacement", "problem"),
    [
        (r"(?<=price )\d+", "N", r"`pattern` is not a valid RE2 regular expression: .*does not support lookarounds"),
        (r"(a)\1", "N", r"`pattern` is not a valid RE2 regular expression: .*lookarounds or backreferences"),
        ("a{1001}", "", "invalid repetition size"),
        ("(", "", "missing"),
        (" ", r"\n", "`replacement` is not valid: .*must be followed by a digit"),
        ("(a)", r"\2", "`replacement` is not valid: .*only has 1 parenthesized"),
        ("a", "\\", "`replacement` is not valid: .*not allowed at end"),
    ],
)
def test_patterns_that_re2_rejects_are_rejected_before_the_job_runs(pattern: str, replacement: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RegexReplace(pattern=pattern, replacement=replacement)


def test_without_pyarrow_the_check_is_left_to_the_driver() -> None:
    program = """
import sys
sys.modules["pyarrow"] = None
import importlib.util
importlib.util.find_spec = lambda name, package=None: None
import datajob.operators.text.regex_replace as module
module.find_spec = importlib.util.find_spec
module.RegexReplace(pattern=r"\\\\p{Han}", replacement=r"\\\\9")
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=240)


@pytest.mark.parametrize(
    ("operator", "text", "wanted"),
    [
        (RegexReplace(pattern=r"(?i)\bfoo(\d)", replacement=r"bar\1"), "Foo1 foo2 food", "bar1 bar2 food"),
    ],
)
def test_examples(operator, text, wanted):
    assert changed(operator, text, "", "plain and simple words.") == [wanted, "", "plain and simple words."]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_the_column_keeps_its_type(kind):
    assert RegexReplace(pattern="z").apply(batch_of("text", None, kind=kind)).schema.field("text").type == kind


def test_an_invalid_regular_expression_is_rejected_with_the_job():
    with pytest.raises(ValueError, match="not a valid RE2 regular expression"):
        RegexReplace(pattern="(")
