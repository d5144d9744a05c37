"""substringDedup against plain Python: each run of words stays once, where it occurs first."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.local_jobs import make_job, read_manifest, run, write_parts


def slow(texts: list[list[str]], size: int) -> list[list[str]]:
    """The words of each text that are left."""
    first: dict[tuple[str, ...], tuple[int, int]] = {}
    result = []
    for row, words in enumerate(texts):
        gone: set[int] = set()
        for at in range(len(words) - size + 1):
            where = first.setdefault(tuple(words[at : at + size]), (row, at))
            if where != (row, at):
                start = max(at, where[1] + size) if where[0] == row else at
                gone.update(range(start, at + size))
        result.append([word for at, word in enumerate(words) if at not in gone])
    return result


def left(folder: Path, texts: list[str], **parameters: object) -> list[str]:
    write_parts(folder / "in", [{"text": text} for text in texts], 3)
    run(make_job(folder / "in", folder / "out", [{"substringDedup": parameters}]), shard_bytes=1)
    return [row["text"] for row in read_manifest(folder / "out")]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    texts=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=25), min_size=1, max_size=5), size=st.integers(2, 6)
)
def test_passages_are_removed_as_in_plain_python(
    tmp_path_factory: pytest.TempPathFactory, texts: list[list[str]], size: int
) -> None:
    found = left(tmp_path_factory.mktemp("job"), [" ".join(words) for words in texts], words=size, rejectEmpty=False)
    assert [text.split() for text in found] == slow(texts, size)


PASSAGE = "the quick brown fox jumps over the lazy dog"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([PASSAGE, f"Before, {PASSAGE}, after."], [PASSAGE, "Before, , after."]),
        ([PASSAGE, PASSAGE.replace(" ", "\n"), "end"], [PASSAGE, "end"]),
        ([f"{PASSAGE}. And {PASSAGE}", "x"], [f"{PASSAGE}. And ", "x"]),
        (["天地玄黄宇宙洪荒日月盈昃辰宿列张", "说：天地玄黄宇宙洪荒日月"], ["天地玄黄宇宙洪荒日月盈昃辰宿列张", "说："]),
        (["short", "short", ""], ["short", "short", ""]),
    ],
)
def test_a_repeated_passage_is_removed(texts: list[str], expected: list[str], tmp_path: Path) -> None:
    assert left(tmp_path, texts, words=8) == expected


def test_passages_of_an_existing_corpus_are_removed(tmp_path: Path) -> None:
    write_parts(tmp_path / "old", [{"text": f"old {PASSAGE}"}], 1)
    assert left(tmp_path, [f"new {PASSAGE}", "x"], words=9, against=str(tmp_path / "old")) == ["new ", "x"]
