"""Rows with several media: `keep`, single items that are dropped, and their placeholders."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datajob.media.lists import drop_items, without_placeholders


def test_placeholders_of_dropped_items_leave_conversations() -> None:
    conversation = [
        {"from": "human", "value": "<image>\nWhat is <image> like?"},
        {"from": "gpt", "value": "A cat.\n<image>"},
    ]
    column = pa.array([conversation, conversation])
    items = pa.array([["a", "b", "c"], ["a", "b", "c"]])
    dropped = drop_items(items, np.array([True, True, True, False, True, False]), column)
    assert dropped.items.to_pylist() == [["a", "b", "c"], ["b"]]
    assert dropped.text is not None
    assert dropped.text.to_pylist() == [
        conversation,
        [{"from": "human", "value": "What is <image> like?"}, {"from": "gpt", "value": "A cat."}],
    ]


def test_a_row_with_another_number_of_placeholders_fails_and_stays_unchanged() -> None:
    items, text = pa.array([["a"], ["b", "c"], None]), pa.array(["no picture", "<image> and <image>", None])
    dropped = drop_items(items, np.array([False, False, True]), text)
    assert dropped.failed == {0: "the text has 0 placeholders <image>, but the row has 1 items"}
    assert dropped.items.to_pylist() == [["a"], ["c"], None]
    assert dropped.text is not None
    assert dropped.text.to_pylist() == ["no picture", " and <image>", None]


def test_interleaved_documents_lose_the_position_of_an_item_in_both_lists() -> None:
    images = pa.array([["a", None, "b", "c"], [None, "d"], ["e"]])
    texts = pa.array([[None, "x", None, "y"], ["z", None], ["p", "q"]])
    dropped = drop_items(images, np.array([False, True, True, False, True, False, False]), alongside=texts)
    assert dropped.items.to_pylist() == [[None, "b", None], [None], ["e"]]
    assert dropped.alongside is not None
    assert dropped.alongside.to_pylist() == [["x", None, "y"], ["z"], ["p", "q"]]
    assert dropped.failed == {2: "the row has 1 items, but 2 values in the texts"}


ROWS = st.lists(st.one_of(st.none(), st.lists(st.tuples(st.binary(max_size=3), st.booleans()), max_size=4)), max_size=6)


@given(rows=ROWS, wrong=st.sets(st.integers(0, 5)), kind=st.sampled_from([pa.list_, pa.large_list, pa.list_view]))
def test_items_and_placeholders_stay_in_step(rows: Any, wrong: set[int], kind: Any) -> None:
    items = pa.array([None if r is None else [data for data, _ in r] for r in rows], kind(pa.binary()))
    good = np.array([ok for r in rows for _, ok in r or ()], dtype=bool)
    words = [
        " ".join(f"<image>{i}" for i in range(len(r or ()))) + ("<image>" if n in wrong else "") for n, r in enumerate(rows)
    ]
    beside = pa.array([[None if i % 2 else str(i) for i in range(len(r or ()))] for r in rows], pa.list_(pa.string()))
    dropped = drop_items(items, good, pa.array(words, pa.string()))
    aligned = drop_items(items, good, alongside=beside)
    assert dropped.text is not None and aligned.alongside is not None
    assert set(dropped.failed) == {n for n in wrong if n < len(rows)}
    for n, row in enumerate(rows):
        after, text = dropped.items[n].as_py(), dropped.text[n].as_py()
        if n in wrong:
            assert (after, text) == (items[n].as_py(), words[n])
            continue
        assert after == (None if row is None else [data for data, ok in row if ok])
        assert (
            [int(c) for c in text.replace("<image>", "!").split("!")[1:] for c in c.strip()[:1]]
            == [i for i, (_, ok) in enumerate(row or ()) if ok]
            if all(ok for _, ok in row or ())
            else text.count("<image>") == len(after or ())
        )
        kept = [i for i, (_, ok) in enumerate(row or ()) if ok or not i % 2]
        assert (aligned.items[n].as_py() or []) == [row[i][0] if row[i][1] else None for i in kept]
        assert aligned.alongside[n].as_py() == [None if i % 2 else str(i) for i in kept]


@given(st.lists(st.booleans(), max_size=5), st.text("ab\n", max_size=3))
def test_the_placeholders_that_stay_are_those_of_the_items_that_stay(lost: list[bool], between: str) -> None:
    text = between.join(f"<image>{i}" for i in range(len(lost)))
    left = without_placeholders(text, lost)
    assert [f"<image>{i}" in left for i in range(len(lost))] == [not gone for gone in lost]
