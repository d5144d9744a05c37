"""Rows without media: nulls, lists of nulls and empty lists have a defined result in every step on media, of any type."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from datajob.errors import InputError, plain
from datajob.media.values import media_type
from datajob.operators.base import Batch, Deduplicate, Filter, FlatMap, Map
from datajob.operators.media.bases import MediaSignature, MediaStep
from datajob.operators.operator import Operator
from datajob.operators.registry import all_operators

GIVEN: dict[str, dict[str, Any]] = {
    "convertImage": {"format": "png"},
    "cropImage": {"aspect": 1},
    "extractFrames": {"count": 1},
    "resizeImage": {"side": 10},
}
OTHERS = ("audioDedup", "extractAudio", "extractFrames", "imageDedup", "mediaInfo", "videoDedup")
ONE_PER_ROW = (
    "audioDedup",
    "extractAudio",
    "extractFrames",
    "imageDedup",
    "sceneSplit",
    "splitDuration",
    "vadSegment",
    "videoDedup",
)
TYPES = {"null": pa.null(), "bytes": pa.binary(), "paths": pa.string(), "structs": media_type()}


def steps() -> list[Operator]:
    """Every step that processes media without a model, with few parameters."""
    known = {key: step for key, step in all_operators().items() if issubclass(step, MediaStep) or key in OTHERS}
    return [known[key].model_validate({"column": "media", **GIVEN.get(key, {})}) for key in sorted(known)]


STEPS = steps()


def results(step: Operator, batch: Batch) -> int:
    """Process a batch; the number of rows after the step."""
    if isinstance(step, Filter):
        assert not step.keep(batch).codes.any()
        return len(batch)
    if isinstance(step, Deduplicate):
        step.signatures(batch)
        return len(batch)
    assert isinstance(step, Map | FlatMap | MediaSignature)
    if isinstance(step, Map):
        return step.apply(batch).num_rows
    return step.expand(batch).num_rows if isinstance(step, FlatMap) else len(step.signed(batch))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_a_row_without_media_fails(step: Operator, kind: str) -> None:
    batch = Batch(pa.table({"media": pa.nulls(2, TYPES[kind])}))
    results(step, batch)
    assert {row: plain(reason).partition(":")[0] for row, reason in batch.failures.items()} == {0: "noMedia", 1: "noMedia"}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_lists_without_media_pass_or_are_refused_whatever_their_type(step: Operator, kind: str) -> None:
    batch = Batch(pa.table({"media": pa.array([[None, None], [], None], pa.list_(TYPES[kind]))}))
    if step.key in ONE_PER_ROW:
        with pytest.raises(InputError, match="`explode`"):
            results(step, batch)
        return
    assert results(step, batch) == 3
    assert not batch.failures
