"""`--set path=value`."""

from typing import Any

import pytest

from datajob.api.loading import read_text
from datajob.api.overrides import apply, parse_override
from datajob.errors import InvalidJob
from tests.api.test_loading import GOOD

DOCUMENT = {"spec": {"steps": [{"limit": {"count": 1}}], "sink": {"parquet": {"path": "out"}}}}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("spec.sink.parquet.path=/tmp/x", ("spec", "sink", "parquet", "path"), "/tmp/x"),
        ("spec.steps[0].limit.count=7", ("spec", "steps", 0, "limit", "count"), 7),
        ("a[1][2].b=[x, 1.5, true]", ("a", 1, 2, "b"), ["x", 1.5, True]),
        ("spec.steps[0].filter.where=a = 'b'", ("spec", "steps", 0, "filter", "where"), "a = 'b'"),
        ("spec.rejects={path: /tmp/r}", ("spec", "rejects"), {"path": "/tmp/r"}),
        ("spec.queueName=", ("spec", "queueName"), None),
    ],
)
def test_a_path_and_a_yaml_value_are_read(text: str, path: tuple[Any, ...], value: Any) -> None:
    override = parse_override(text)
    assert (override.path, override.value) == (path, value)


@pytest.mark.parametrize("text", ["spec", "=3", "a..b=1", "a[x]=1", "a.b=[1", "a=- b: - c"])
def test_an_invalid_path_or_value_is_rejected(text: str) -> None:
    with pytest.raises(InvalidJob, match="--set"):
        parse_override(text)


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("spec.steps[0].limit.count=7", {"steps": [{"limit": {"count": 7}}]}),
        ("spec.steps[1].sample.fraction=0.5", {"steps": [{"limit": {"count": 1}}, {"sample": {"fraction": 0.5}}]}),
        ("spec.rejects.path=r", {"rejects": {"path": "r"}}),
    ],
)
def test_a_value_is_replaced_or_added(text: str, changed: dict[str, Any]) -> None:
    assert apply(parse_override(text), DOCUMENT) == {"spec": DOCUMENT["spec"] | changed}


@pytest.mark.parametrize("text", ["spec.steps[2].x=1", "spec.steps.x=1", "spec.sink.parquet.path.x=1", "spec.sink[0]=1"])
def test_a_path_to_a_missing_entry_is_rejected(text: str) -> None:
    with pytest.raises(InvalidJob, match="--set spec"):
        apply(parse_override(text), DOCUMENT)


def test_the_given_document_is_not_modified() -> None:
    before = repr(DOCUMENT)
    apply(parse_override("spec.steps[0].limit.count=9"), DOCUMENT)
    assert repr(DOCUMENT) == before


def test_a_problem_in_an_override_is_located_at_the_option() -> None:
    (document,) = read_text(GOOD, "job.yaml", [parse_override("spec.retry.limit=many")])
    assert str(document.problems[0]).startswith('--set: spec.retry.limit: must be an integer, got "many"')
