"""Sentences end where UAX #29 ends them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.operators.kernels.sentence_breaks import split_sentences
from datajob.operators.kernels.sentence_classes import sentence_classes
from datajob.operators.kernels.unicode import classes
from datajob.operators.strings.column import text_of
from tests.support.reference_sentences import boundaries
from tests.support.texts import batch_of, texts

LINES = Path(__file__).with_name("sentence_break_test.txt").read_text(encoding="utf-8").splitlines()
CASES = [line for line in LINES if not line.startswith("#")]
NONE = np.zeros(0, np.uint64)
NONE.flags.writeable = False
CHARACTERS = st.text('aAbBéÉ1٣..?!。"”’( )\t\n\r\x85\u2028,-:—\u0308\u00ad…字ß', max_size=30)


def split(*rows: str, tailored: bool = False) -> list[list[str]]:
    text = text_of(batch_of(*rows, kind=pa.string()), "text")
    size = len(text.data) + 1
    bounds, starts, stops = np.empty(len(rows) + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    split_sentences(text, classes(), sentence_classes(), False, tailored, NONE, bounds, starts, stops)
    data = text.data.tobytes()
    parts = [data[start:stop].decode() for start, stop in zip(starts[: bounds[-1]], stops, strict=False)]
    return [parts[bounds[i] : bounds[i + 1]] for i in range(len(rows))]


def test_there_are_all_the_cases_of_unicode() -> None:
    assert len(CASES) == 502


@pytest.mark.parametrize("case", CASES)
def test_cases_of_the_unicode_test_suite_are_split_as_specified(case: str) -> None:
    wanted = ["".join(chr(int(point, 16)) for point in part.split()) for part in case.split("÷")]
    assert split("".join(wanted)) == [wanted]
    assert boundaries("".join(wanted)) == wanted


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(texts, CHARACTERS), max_size=8), st.booleans())
def test_any_text_is_split_by_the_rules_in_order(rows: list[str], tailored: bool) -> None:
    assert split(*rows, tailored=tailored) == [boundaries(row, tailored) for row in rows]


def test_a_text_of_full_stops_is_split_in_linear_time() -> None:
    for text in ("." * 300_000, ". " * 200_000, "1." * 200_000, ".)1" * 150_000, "a. 1" * 100_000):
        assert "".join(split(text)[0]) == text
