"""What counts as a text column, and what becomes of bytes that are not UTF-8."""

from itertools import pairwise

import pyarrow as pa
import pytest

from datajob.errors import InputError
from datajob.operators.base import Batch
from datajob.operators.strings.column import buffers_of, map_rows, text_array, text_from
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.texts import batch_of

ROWS = ["plain", None, "", "中文 é"]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(ROWS, pa.string()),
        pa.array(ROWS, pa.large_string()),
        pa.array(ROWS, pa.string_view()),
        pa.array([r and r.encode() for r in ROWS], pa.binary()),
        pa.array([r and r.encode() for r in ROWS], pa.large_binary()),
        pa.array([r and r.encode() for r in ROWS], pa.binary_view()),
        pa.array(ROWS, pa.string()).dictionary_encode(),
        pa.array(["sliced away", *ROWS, "too"], pa.string()).slice(1, 4),
        pa.chunked_array([ROWS[:2], ROWS[2:]], pa.string()),
    ],
    ids=lambda array: str(array.type),
)
def test_all_kinds_of_text_are_text(array):

    found = text_array(Batch(pa.table({"text": array})), "text")
    assert found.to_pylist() == [None if r is None else r for r in ROWS]
    data, offsets = buffers_of(found)
    assert bytes(data[offsets[0] : offsets[-1]]).decode() == "".join(r or "" for r in ROWS)


def test_a_column_of_nulls_is_text():
    assert text_array(batch_of(None, None), "text").to_pylist() == [None, None]


@pytest.mark.parametrize("kind", [pa.binary(), pa.string()], ids=str)
@pytest.mark.parametrize(
    ("broken", "repaired"),
    [
        (b"a\xffb", "a\ufffdb"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"caf\xc3", "caf\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
    ],
)
def test_bytes_that_are_not_utf8_fail_or_are_compared_with_replacement_characters(kind, broken, repaired):
    array = pa.array([b"fine", broken, None], pa.binary()).view(kind)
    batch = Batch(pa.table({"text": array}))
    with pytest.raises(ValueError, match=r"column `text` is not valid UTF-8: .* at byte"):
        text_array(batch, "text")
    with pytest.raises(InputError, match=r"column `text` is not valid UTF-8: .* at byte"):
        text_array(batch, "text", "refuse")
    assert text_array(batch, "text", "replace").to_pylist() == ["fine", repaired, None]


@pytest.mark.parametrize(
    "step",
    [
        {"wordCount": {"min": 1}},
        {"c4Quality": {"minSentences": 1}},
        {"whitespaceNormalize": {}},
        {"regexReplace": {"pattern": "z"}},
        {"sentenceSplit": {}},
        {"languageId": {"minScore": 0}},
        {"chunkText": {"size": 100}},
        {"analyze": {"measures": ["textLength"]}},
    ],
    ids=lambda step: next(iter(step)),
)
@pytest.mark.parametrize("before", [[], [{"textLength": {"min": 5}}]], ids=["first", "behind a filter"])
def test_a_row_whose_bytes_are_not_utf8_fails_alone(step, before, tmp_path):
    rows = [b"A good sentence of words.", b"A bad \xff\xfe sentence.", None, b"abc", b"Another good sentence."]
    write_parts(tmp_path / "in", [{"id": i, "text": row} for i, row in enumerate(rows)], 1)
    job = make_job(tmp_path / "in", tmp_path / "out", [*before, step], errors={"policy": "drop"})
    progress = run(job).progress
    assert progress.rows_failed == 1
    assert progress.rows_in == 5 == progress.rows_out + progress.rows_rejected + progress.rows_failed
    kept = {row["id"] for row in read_manifest(tmp_path / "out")}
    assert {0, 4} <= kept and 1 not in kept


@pytest.mark.parametrize("key", ["lineDedup", "paragraphDedup", "substringDedup"])
def test_a_step_that_would_rewrite_bytes_that_are_not_utf8_refuses_them(key, tmp_path):
    write_parts(tmp_path / "in", [{"text": b"a\nb\na"}, {"text": b"\xff\nb"}], 1)
    with pytest.raises(InputError, match="column `text` is not valid UTF-8"):
        run(make_job(tmp_path / "in", tmp_path / "out", [{key: {}}]))


@pytest.mark.parametrize("key", ["minhashDedup", "simhashDedup"])
def test_bytes_that_are_not_utf8_are_compared_and_unchanged(key, tmp_path):
    rows = [{"text": b"one two three four five \xff"}, {"text": b"six seven eight nine ten"}]
    write_parts(tmp_path / "in", rows, 1)
    run(make_job(tmp_path / "in", tmp_path / "out", [{key: {}}]))
    assert read_manifest(tmp_path / "out") == rows


@pytest.mark.parametrize(
    "array", [pa.array([1]), pa.array([["a"]]), pa.array([{"a": 1}]), pa.array([True])], ids=lambda a: str(a.type)
)
def test_another_type_is_a_clear_error(array):

    with pytest.raises(InputError, match=r"column `text` contains .*, not text: .*cast"):
        text_array(Batch(pa.table({"text": array})), "text")


def test_nulls_with_bytes_beneath_are_empty():
    hidden = pa.LargeStringArray.from_buffers(
        2, pa.array([0, 3, 6], pa.int64()).buffers()[1], pa.py_buffer(b"abcdef"), pa.array([True, False]).buffers()[1]
    )
    null_second = pa.Array.from_buffers(pa.large_string(), 2, [pa.py_buffer(b"\x01"), *hidden.buffers()[1:]])
    data, offsets = buffers_of(null_second)
    assert [bytes(data[a:b]) for a, b in pairwise(offsets)] == [b"abc", b""]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_text_keeps_its_type_and_nulls(kind):
    array = pa.array(ROWS, kind)
    data, offsets = buffers_of(array.cast(pa.large_string()))
    back = text_from(data, offsets, array)
    assert back.type == kind
    assert back.to_pylist() == ROWS


def test_only_selected_rows_are_mapped():
    text = pa.array(["a", "b", None], pa.large_string())
    mapped = map_rows(text, str.upper, pa.array([True, False, None]))
    assert mapped.to_pylist() == ["A", "b", None]
