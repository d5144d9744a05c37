"""Built-in word lists, by ISO 639-1 code, and lists from files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from datajob.errors import InputError
from datajob.operators.files import read_file, version_of
from datajob.operators.strings.words import words_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from datajob.operators.base import Batch

Language = Literal["ar", "de", "en", "es", "fr", "hi", "it", "ja", "nl", "pl", "pt", "ru", "sv", "tr", "zh"]

List = Literal["stop_words", "flagged_words", "abbreviations"]


class WordList(NamedTuple):
    """Hash tables of the first words and of whole entries, and the maximum number of words of an entry."""

    firsts: NDArray[Any]
    entries: NDArray[Any]
    longest: int


@cache
def word_list(words: tuple[str, ...], tokenizer: str) -> WordList:
    """The entries in lower case, capitalized and in upper case, split into words like the texts."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.base import Batch
    from datajob.operators.kernels.lookup import fill_tables

    forms = sorted({form for word in words for form in (word.lower(), word.capitalize(), word.upper(), word) if form.strip()})
    cut = words_of(Batch(pa.table({"words": pa.array(forms, pa.string())})), "words", tokenizer)
    capacity = 1 << max(4 * len(forms), 8).bit_length()
    lists = WordList(np.zeros(capacity, np.uint64), np.zeros(capacity, np.uint64), int(np.diff(cut.rows).max(initial=1)))
    fill_tables(cut, lists.firsts, lists.entries)
    lists.firsts.flags.writeable = lists.entries.flags.writeable = False
    return lists


def listed_words(batch: Batch, column: str, tokenizer: str, words: tuple[str, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """For each row, the number of words that belong to an entry of the list, and the number of all words."""
    import numpy as np

    from datajob.operators.kernels.lookup import count_listed

    found, known = words_of(batch, column, tokenizer), word_list(words, tokenizer)
    counts = np.zeros(len(batch), dtype=np.int64)
    count_listed(found, known.firsts, known.entries, known.longest, counts)
    return counts, np.diff(found.rows)


def words_from(path: str) -> tuple[str, ...]:
    """The lines of a UTF-8 file (path or URL) that are not empty and do not start with `#`."""
    return _lines_of(path, version_of(path))


@cache
def _lines_of(path: str, version: Any) -> tuple[str, ...]:
    try:
        lines = [line.strip() for line in read_file(path).decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"the word list `{path}` is not valid UTF-8 ({error}). Write one entry per line, in UTF-8.") from error
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def shipped_words(name: List) -> dict[str, tuple[str, ...]]:
    """A built-in list, by language."""
    text = resources.files(__package__).joinpath("_lists", f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {language: tuple(words) for language, *words in lines}


def chosen_words(name: List, languages: Iterable[str], words: tuple[str, ...], file: str | None) -> tuple[str, ...]:
    """All entries of the built-in list in these languages, of the parameter and of the file."""
    shipped = [word for language in languages for word in shipped_words(name).get(language, ())]
    return (*shipped, *words, *(words_from(file) if file else ()))
