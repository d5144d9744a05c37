"""fastText models: loaded once per process, applied to a whole batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from datajob.errors import InputError
from datajob.operators.files import local_copy, version_of
from datajob.operators.packages import optional
from datajob.operators.strings.column import text_array

if TYPE_CHECKING:
    from datajob.operators.base import Batch

PREFIX = "__label__"


def load(path: str, operator: str) -> Any:
    """The model at a path or URL."""
    return _load(path, operator, version_of(path))


@cache
def _load(path: str, operator: str, version: Any) -> Any:
    fasttext = optional("fasttext", "fasttext-predict", operator)
    try:
        return fasttext.load_model(local_copy(path))
    except (ValueError, OSError) as error:
        raise InputError(f"`{operator}`: `{path}` cannot be read as a fastText model: {error}.") from error


def samples(batch: Batch, column: str, characters: int) -> list[str]:
    """The first characters of each row on a single line, as fastText expects; "" for null and blank rows."""
    import pyarrow.compute as pc

    start = pc.utf8_slice_codeunits(text_array(batch, column).fill_null(""), 0, characters)
    texts: list[Any] = start.to_pylist()
    return [" ".join(text.split()) for text in texts]


def predict(model: Any, texts: Sequence[str], labels: int = 1) -> list[dict[str, float]]:
    """For each text the best labels (-1: all) with their probabilities, best first; none for an empty text."""
    ask = model.f.predict
    return [
        {label.removeprefix(PREFIX): min(score, 1.0) for score, label in ask(text + "\n", labels, 0.0, "strict")}
        if text
        else {}
        for text in texts
    ]


def labels_of(path: str, operator: str) -> tuple[str, ...]:
    """The labels of a model."""
    return _labels(path, operator, version_of(path))


@cache
def _labels(path: str, operator: str, version: Any) -> tuple[str, ...]:
    return tuple(sorted(predict(_load(path, operator, version), ["a"], -1)[0]))
