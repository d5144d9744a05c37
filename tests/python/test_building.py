"""Jobs built in Python, and the YAML that they equal."""

import io
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import datajob
from datajob import DataJob, sinks, sources, steps
from datajob.api.yamltext import dump, parse
from datajob.operators import Filter
from datajob.operators.registry import all_operators
from tests.docs.test_pages import example

IN, OUT = sources.Parquet(paths=["in/"]), sinks.Parquet(path="out")


def again(job: DataJob) -> DataJob:
    return datajob.load(io.StringIO(job.to_yaml()))


def test_a_job_built_in_python_equals_the_same_job_in_yaml() -> None:
    built = DataJob.new(
        "clean",
        sources=[sources.Json(paths=["in/"], include_path="file")],
        steps=[steps.GopherQuality(min_words=20), steps.ExactDedup(columns=["text"])],
        sink=sinks.Parquet(path="out", mode="overwrite"),
        errors=datajob.Errors(policy="quarantine", path="bad"),
        retry={"limit": 1},
        labels={"team": "data"},
    )
    assert built == datajob.load(
        io.StringIO(
            "apiVersion: datajob.io/v1alpha1\nkind: DataJob\nmetadata: {name: clean, labels: {team: data}}\nspec:\n"
            "  sources: [json: {paths: [in/], includePath: file}]\n"
            "  steps: [gopherQuality: {minWords: 20}, exactDedup: {columns: [text]}]\n"
            "  sink: {parquet: {path: out, mode: overwrite}}\n"
            "  errors: {policy: quarantine, path: bad}\n  retry: {limit: 1}\n"
        )
    )
    assert again(built) == built


def test_the_yaml_contains_only_the_fields_that_were_set() -> None:
    job = DataJob.new("clean", sources=[IN], steps=[steps.GopherQuality(min_words=20)], sink=OUT)
    assert job.to_yaml() == (
        "apiVersion: datajob.io/v1alpha1\nkind: DataJob\nmetadata:\n  name: clean\nspec:\n"
        "  sources:\n  - parquet:\n      paths:\n      - in/\n"
        "  steps:\n  - gopherQuality:\n      minWords: 20\n"
        "  sink:\n    parquet:\n      path: out\n"
    )


def test_a_source_within_an_operator_is_given_as_a_reader() -> None:
    job = DataJob.new("clean", sources=[IN], steps=[steps.Join(right=sources.Csv(paths=["names"]), by=["id"])], sink=OUT)
    assert job.spec.steps[0].chosen.right.key == "csv"
    assert again(job) == job


def variants(key: str) -> list[Any]:
    """The operator with its defaults where it has them for all parameters, and those of its example."""
    operator = all_operators()[key]
    found: list[Any] = [step[key] for step in yaml.safe_load(example(operator)) or [] if key in step]
    try:
        return [operator(), *found]
    except ValidationError:
        return found


@pytest.mark.parametrize("key", list(all_operators()))
def test_every_operator_round_trips_through_yaml(key: str) -> None:
    found = variants(key)
    assert found, f"{key} has neither defaults nor an example"
    for parameters in found:
        operator = all_operators()[key]
        step = parameters if isinstance(parameters, operator) else operator.model_validate(parameters)
        job = DataJob.new("all", sources=[IN], steps=[step], sink=OUT)
        assert again(job) == job and again(job).spec.steps[0].chosen == step


def built(module: Any, block: Any) -> Any:
    """The class of a block in `datajob.steps`, `datajob.sources` or `datajob.sinks`, with its parameters by Python names."""
    given = {name: getattr(block.chosen, name) for name in block.chosen.model_fields_set}
    return getattr(module, block.key[:1].upper() + block.key[1:])(**given)


@pytest.mark.parametrize("sample", sorted(Path("manifests/samples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sample_is_built_from_classes_and_equals_its_yaml(sample: Path) -> None:
    loaded = datajob.load(sample)
    spec = loaded.spec
    rest = {name: getattr(spec, name) for name in spec.model_fields_set - {"sources", "steps", "sink"}}
    job = DataJob.new(
        loaded.metadata.name,
        sources=[built(sources, block) for block in spec.sources],
        steps=[built(steps, block) for block in spec.steps],
        sink=built(sinks, spec.sink),
        **rest,
    )
    assert job.spec == spec and again(job).spec == spec
    assert again(job).to_yaml() == job.to_yaml()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_any_value_round_trips_through_yaml(value: Any) -> None:
    (document,) = parse(dump({"value": value}))
    assert document.value == {"value": value} and not document.problems


@pytest.mark.parametrize(
    "text", ["1e-3", "on", "~", "2026-01-02", "a: b", " x\n", "1_000", "0x1f", "a\n\tb\n", "\u2028", "<<", "\x07"]
)
def test_a_string_that_looks_like_another_type_remains_a_string(text: str) -> None:
    job = DataJob.new("clean", sources=[IN], steps=[steps.Filter(where=text)], sink=OUT)
    assert again(job).spec.steps[0].chosen.where == text


class NoShouting(Filter):
    """Rejects texts in capitals."""

    max_ratio: float = 0.3


def shout(row: dict[str, Any]) -> dict[str, Any]:
    """The row in capitals."""
    return row


def test_an_instance_of_a_users_operator_becomes_a_custom_step() -> None:
    job = DataJob.new("clean", sources=[IN], steps=[NoShouting(max_ratio=0.5)], sink=OUT)
    step = again(job).spec.steps[0].chosen
    assert (step.operator, step.params) == (f"{__name__}:NoShouting", {"maxRatio": 0.5})
    assert step.resolved() == NoShouting(max_ratio=0.5)


def test_a_function_can_be_passed_as_an_object() -> None:
    job = DataJob.new("clean", sources=[IN], steps=[steps.Map(function=shout)], sink=OUT)
    assert again(job).spec.steps[0].chosen.function == f"{__name__}:shout"


def in_main() -> Any:
    def function(row: Any) -> Any:
        return row

    function.__module__, function.__qualname__ = "__main__", "function"
    return function


def replaced() -> Any:
    def function(row: Any) -> Any:
        return row

    function.__qualname__ = "shout"
    return function


REFUSED = {
    "a lambda": (lambda row: row, "not at the top level of a module"),
    "a function within a function": (in_main, None),
    "a function of a notebook": (in_main(), "defined in a notebook or script"),
    "a function that its name does not give": (replaced(), "is another object"),
    "a method": (str.upper, "not at the top level of a module"),
}


@pytest.mark.parametrize(("function", "said"), REFUSED.values(), ids=list(REFUSED))
def test_a_function_that_workers_cannot_import_is_rejected(function: Any, said: str | None) -> None:
    if said is None:
        assert steps.Map(function=function).function == f"{__name__}:in_main"
        return
    with pytest.raises(ValidationError, match=said):
        steps.Map(function=function)


def test_the_problems_of_a_job_are_listed_with_their_fields() -> None:
    with pytest.raises(datajob.InvalidJob) as refused:
        DataJob.new("No Name", sources=[], steps=[OUT], sink=IN)  # type: ignore[list-item, arg-type]
    text = str(refused.value)
    assert "4 problems in the job" in text and len(refused.value.problems) == 4
    assert "metadata.name: must consist of lowercase letters" in text and "spec.sources: must have at least 1 entry" in text
    assert "spec.steps[0]: ParquetWriter is not a built-in operator" in text
    assert "spec.sink: ParquetReader is not a built-in writer" in text


def test_a_job_with_user_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_shouting.py").write_text(
        "from datajob.operators import Batch, Column, Filter, Verdict\n\n\n"
        "class Short(Filter):\n    '''Keep short texts.'''\n\n    column: Column = 'text'\n    longest: int = 9\n\n"
        "    def keep(self, batch: Batch) -> Verdict:\n        import numpy as np\n"
        "        lengths = [len(text) for text in batch.array(self.column).to_pylist()]\n"
        "        return Verdict((np.array(lengths) > self.longest).astype('i1'), ('long',))\n\n\n"
        "def shout(row):\n    return row | {'text': row['text'].upper()}\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    mine = import_module("my_shouting")
    from tests.python.jobs import write_input

    job = DataJob.new(
        "mine",
        sources=[sources.Parquet(paths=[str(write_input(tmp_path / "in"))])],
        steps=[mine.Short(longest=8), steps.Map(function=mine.shout)],
        sink=sinks.Parquet(path=str(tmp_path / "out")),
    )
    result = datajob.run(job, executor="local", python_path=[str(tmp_path)])
    assert result.to_arrow()["text"].to_pylist() == ["NO", "FOUR"]
    assert result.report.steps[1].rejected == {"long": 4}
