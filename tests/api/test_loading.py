"""YAML is parsed into a job or its problems."""

import io
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.api.checks import check
from datajob.api.loading import load, parse_object, read_file, read_text
from datajob.errors import InvalidJob

HEAD = """\
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {name: a-job}
spec:
"""
SOURCE = "  sources: [{parquet: {paths: [in]}}]\n"
SINK = "  sink: {parquet: {path: out}}\n"
GOOD = HEAD + SOURCE + SINK


def problems(text: str) -> list[str]:
    documents = (d.with_problems(check(d.job)) if d.job else d for d in read_text(text, "job.yaml"))
    return [str(problem) for document in documents for problem in document.problems]


def test_a_job_can_have_seven_lines() -> None:
    (document,) = read_text(GOOD)
    assert document.job is not None and document.name == "a-job" and not document.problems


CASES = {
    "a misspelt operator": (
        "  steps:\n  - gopherQualty: {}\n",
        ["job.yaml:8: spec.steps[0].gopherQualty: unknown operator `gopherQualty`; did you mean `gopherQuality`?"],
    ),
    "a misspelt parameter": (
        "  steps:\n  - gopherQuality:\n      minWord: 3\n",
        ["job.yaml:9: spec.steps[0].gopherQuality.minWord: unknown key `minWord`; did you mean `minWords`?"],
    ),
    "the name of a field in Python": (
        "  steps:\n  - gopherQuality: {min_words: 3}\n",
        ["job.yaml:8: spec.steps[0].gopherQuality.min_words: unknown key `min_words`; did you mean `minWords`?"],
    ),
    "a wrong word of a few": (
        "  errors: {policy: dropp}\n",
        ["job.yaml:7: spec.errors.policy: must be 'fail', 'drop' or 'quarantine', got \"dropp\"; did you mean `drop`?"],
    ),
    "a number in quotes": (
        '  retry: {limit: "3"}\n',
        ['job.yaml:7: spec.retry.limit: must be an integer, got "3"'],
    ),
    "a boolean in quotes": ('  suspend: "yes"\n', ['job.yaml:7: spec.suspend: must be true or false, got "yes"']),
    "a number for a text": (
        "  steps:\n  - filter: {where: 3}\n",
        ['job.yaml:8: spec.steps[0].filter.where: must be a string, got 3; quote it: "3"'],
    ),
    "a number out of bounds": ("  retry: {limit: -1}\n", ["job.yaml:7: spec.retry.limit: must be at least 0, got -1"]),
    "a text for a list": (
        "  steps:\n  - select: {columns: id}\n",
        ['job.yaml:8: spec.steps[0].select.columns: must be a list, got "id"; write it as a list: [id]'],
    ),
    "an empty list": (
        "  steps:\n  - select: {columns: []}\n",
        ["job.yaml:8: spec.steps[0].select.columns: must have at least 1 entry, got []"],
    ),
    "a missing parameter": (
        "  steps:\n  - filter: {}\n",
        ["job.yaml:8: spec.steps[0].filter.where: required field `where` is missing"],
    ),
    "two operators in a step": (
        "  steps:\n  - filter: {where: x}\n    limit: {count: 1}\n",
        ["job.yaml:8: spec.steps[0]: needs exactly one operator key, found 2: filter, limit"],
    ),
    "a parameter beside its operator": (
        "  steps:\n  - filter:\n    where: x\n",
        [
            "job.yaml:8: spec.steps[0]: needs exactly one operator key, found 2: filter, where; "
            "indent `where` to nest it under `filter:`"
        ],
    ),
    "an operator without its block": (
        "  steps:\n  - exactDedup:\n",
        ["job.yaml:8: spec.steps[0]: `exactDedup` has no value; write `exactDedup: {}` to use the defaults"],
    ),
    "a text for a block": (
        "  steps:\n  - filter: x > 3\n",
        ['job.yaml:8: spec.steps[0].filter: must be a mapping, got "x > 3"'],
    ),
    "a rule over two fields": (
        "  errors: {policy: quarantine}\n",
        ["job.yaml:7: spec.errors: `path` is required for `policy: quarantine` and not allowed otherwise"],
    ),
    "a key given twice": (
        "  retry:\n    limit: 1\n    limit: 2\n",
        ["job.yaml:9: spec.retry.limit: duplicate key `limit`"],
    ),
    "a key that YAML reads as a boolean": (
        "  runtime:\n    env: []\n  resources: {workers: {nodeSelector: {on: a}}}\n",
        ['job.yaml:9: spec.resources.workers.nodeSelector.on: keys must be strings; quote it: "on"'],
    ),
    "an expression that is no SQL": (
        "  steps:\n  - filter: {where: 'a >> > 3'}\n",
        [
            'job.yaml:8: spec.steps[0].filter: `a >> > 3` is not a valid SQL expression: syntax error at or near ">".\n'
            "    a >> > 3\n         ^"
        ],
    ),
}


@pytest.mark.parametrize(("more", "said"), CASES.values(), ids=list(CASES))
def test_a_problem_has_its_line_its_field_and_a_suggestion(more: str, said: list[str]) -> None:
    assert problems(GOOD + more) == said


def test_all_problems_of_a_document_are_reported_in_the_order_of_lines() -> None:
    found = problems(HEAD + "  sources: []\n  sink: {parket: {}}\n  retry: {limt: 3}\n  suspend: 1\n")
    assert [line.split(": ")[1] for line in found] == ["spec.sources", "spec.sink.parket", "spec.retry.limt", "spec.suspend"]


def test_sources_that_are_all_invalid_are_not_also_reported_as_too_few() -> None:
    assert len(problems(HEAD + "  sources: [{parqet: {}}]\n" + SINK)) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a: [1,\n", "job.yaml:2: is not valid YAML"),
        ("a:\n\t- b\n", "indent with spaces"),
        ("a: !!python/object:os.system {}\n", "is not valid YAML"),
        ("a: &a [*a, *a]\n", "levels"),
        ("- just\n- a list\n", "a DataJob must be a mapping"),
        ("? [a, b]\n: c\n", "keys must be strings"),
    ],
)
def test_a_text_that_is_not_a_yaml_mapping_is_reported(text: str, named: str) -> None:
    (problem,) = problems(text)
    assert named in problem


def test_nested_aliases_are_limited() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "100000 values" in problems("\n".join(lines))[0]


def test_an_anchor_can_be_merged() -> None:
    text = GOOD + "  resources:\n    head: &small {cpu: '2', memory: 8Gi}\n    workers: {<<: *small, cpu: '4'}\n"
    (document,) = read_text(text)
    assert document.job is not None
    workers = document.job.spec.resources.workers
    assert (workers.cpu, workers.memory) == ("4", "8Gi")


def test_numbers_and_dates_are_read_as_kubernetes_reads_them() -> None:
    text = GOOD + "  errors: {maxRatio: 1e-3}\n"
    (document,) = read_text(text.replace("name: a-job", "name: a-job, labels: {day: 2026-01-02}"))
    assert document.job is not None
    assert document.job.spec.errors.max_ratio == 0.001
    assert document.job.metadata.labels == {"day": "2026-01-02"}


def test_documents_of_other_kinds_are_skipped() -> None:
    text = f"apiVersion: v1\nkind: Secret\n---\n{GOOD}---\n# nothing\n---\n{GOOD.replace('a-job', 'b-job')}"
    assert [(d.name, d.place) for d in read_text(text, "f")] == [("a-job", "f:4"), ("b-job", "f:13")]


def test_a_misspelled_kind_is_not_skipped() -> None:
    (problem,) = problems(GOOD.replace("kind: DataJob", "kind: DataJobs"))
    assert problem == 'job.yaml:2: kind: must be `DataJob` or `ModelService`, got "DataJobs"; did you mean `DataJob`?'


def test_fields_added_by_the_api_server_are_accepted() -> None:
    value = {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {"name": "a", "uid": "1", "resourceVersion": "7", "managedFields": [{}], "generation": 2},
        "spec": {"sources": [{"parquet": {"paths": ["in"]}}], "sink": {"parquet": {"path": "out"}}},
        "status": {"phase": "Running"},
    }
    job, found = parse_object(value)
    assert job is not None and job.status is not None and job.status.phase == "Running" and not found


def test_loading_a_file_raises_all_of_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(GOOD + "  suspend: 1\n  retry: {limit: x}\n")
    with pytest.raises(InvalidJob, match=r"2 problems in the job:\n.*job.yaml:7: spec.suspend.*\n.*job.yaml:8: spec.retry"):
        load(str(file))


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    (document,) = read_file("-")
    assert document.place == "<stdin>:1"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"a: \xff", "is not valid UTF-8"),
        (b"", "contains no DataJob"),
        (b"apiVersion: v1\nkind: Pod\n", "contains no DataJob"),
    ],
)
def test_a_file_without_a_job_is_reported(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "job.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidJob, match=said):
        read_file(str(file))


KEYS = st.sampled_from(["sources", "steps", "sink", "parquet", "paths", "filter", "where", "retry", "limit", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(KEYS, VALUES))
def test_any_spec_becomes_a_job_or_problems_with_fields(spec: dict[str, object]) -> None:
    value = {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "a"}, "spec": spec}
    (document,) = read_text(yaml.safe_dump(value), "f")
    assert (document.job is None) == bool(document.problems)
    assert all(str(problem).startswith("f:") and problem.path[0] == "spec" for problem in document.problems)
