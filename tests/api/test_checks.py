"""Checks beyond the schema."""

from typing import Any

import pytest
from pydantic import Field

from datajob.api.checks import check, check_columns, check_imports
from datajob.api.datajob import DataJob
from datajob.api.loading import parse_object
from datajob.one_of import choice
from datajob.operators.base import Model
from datajob.parameters import Column


def job(
    steps: list[dict[str, Any]] | None = None,
    sources: list[dict[str, Any]] | None = None,
    sink: dict[str, Any] | None = None,
    **spec: Any,
) -> DataJob:
    value = {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "DataJob",
        "metadata": {"name": "a"},
        "spec": {
            "sources": sources or [{"parquet": {"paths": ["in"], "columns": ["id", "text"]}}],
            "steps": steps or [],
            "sink": sink or {"parquet": {"path": "out"}},
            **spec,
        },
    }
    return DataJob.model_validate(value)


def said(job: DataJob) -> list[str]:
    return [str(problem) for problem in check(job)]


COLUMNS = {
    "a column that no step makes": (
        [{"gopherQuality": {"column": "txt"}}],
        "spec.steps[0].gopherQuality.column: column `txt` is not available at this step (columns: id, text); "
        "did you mean `text`?",
    ),
    "a column that an expression reads": (
        [{"filter": {"where": "length(body) > 3"}}],
        "spec.steps[0].filter: column `body` is not available at this step (columns: id, text)",
    ),
    "a column that was dropped": (
        [{"drop": {"columns": ["text"]}}, {"gopherQuality": {}}],
        "spec.steps[1].gopherQuality.column: column `text` is not available at this step (columns: id)",
    ),
    "a column that was renamed": (
        [{"rename": {"columns": {"text": "body"}}}, {"select": {"columns": ["text"]}}],
        "spec.steps[1].select.columns: column `text` is not available at this step (columns: id, body)",
    ),
}


@pytest.mark.parametrize(("steps", "problem"), COLUMNS.values(), ids=list(COLUMNS))
def test_a_column_missing_at_a_step_is_reported(steps: list[dict[str, Any]], problem: str) -> None:
    assert said(job(steps)) == [problem]


EACH = {"column": "images", "keep": "each"}
TRIMMED = {
    "a later step does not name the text": ([{"imageSize": EACH | {"text": "text"}}, {"sharpness": EACH}], 1),
    "a later step names another one": ([{"imageSize": EACH | {"text": "text"}}, {"nsfw": EACH | {"text": "id"}}], 1),
    "a later step with a model does not name the texts": (
        [{"imageSize": EACH | {"texts": "text"}}, {"clipSimilarity": EACH}],
        1,
    ),
    "both name it": ([{"imageSize": EACH | {"text": "text"}}, {"sharpness": EACH | {"text": "text"}}], 0),
    "the later one removes no images": ([{"imageSize": EACH | {"text": "text"}}, {"sharpness": {"column": "images"}}], 0),
    "the text is gone": ([{"imageSize": EACH | {"text": "text"}}, {"drop": {"columns": ["text"]}}, {"sharpness": EACH}], 0),
    "it is about another list": ([{"imageSize": EACH | {"text": "text"}}, {"sharpness": EACH | {"column": "id"}}], 0),
}


@pytest.mark.parametrize(("steps", "problems"), TRIMMED.values(), ids=list(TRIMMED))
def test_all_steps_that_remove_images_of_a_list_change_the_same_texts(steps: list[dict[str, Any]], problems: int) -> None:
    sources = [{"parquet": {"paths": ["in"], "columns": ["id", "text", "images"]}}]
    found = [line for line in said(job(steps, sources)) if "warning: " not in line]
    assert len(found) == problems
    for line in found:
        assert "removes items of `images`, but does not change `text` accordingly, as steps[0] does; name the column" in line


def test_a_column_added_by_an_earlier_step_is_available() -> None:
    assert said(job([{"compute": {"columns": {"n": "length(text)"}}}, {"filter": {"where": "n > 3"}}])) == []


def test_unknown_columns_are_not_reported() -> None:
    unknown = [{"parquet": {"paths": ["in"]}}]
    assert said(job([{"gopherQuality": {"column": "x"}}], unknown)) == []


def test_columns_are_known_after_a_select() -> None:
    unknown = [{"parquet": {"paths": ["in"]}}]
    steps = [{"select": {"columns": ["id"]}}, {"gopherQuality": {}}]
    assert said(job(steps, unknown)) == [
        "spec.steps[1].gopherQuality.column: column `text` is not available at this step (columns: id)"
    ]


def test_the_columns_of_all_sources_and_their_path_column_are_known() -> None:
    sources = [
        {"parquet": {"paths": ["a"], "columns": ["id"]}},
        {"parquet": {"paths": ["b"], "columns": ["text"], "includePath": "file"}},
    ]
    assert said(job([{"select": {"columns": ["id", "text", "file"]}}], sources)) == []


def test_the_sink_partitions_by_existing_columns() -> None:
    (problem,) = said(job(sink={"parquet": {"path": "out", "partitionBy": ["lang"]}}))
    assert problem.startswith("spec.sink.parquet.partitionBy: column `lang` is not available")


def test_the_columns_that_become_members_of_a_sample_are_checked() -> None:
    assert said(job(sink={"webdataset": {"path": "out", "members": {"txt": "text"}}})) == []
    (problem,) = said(job(sink={"webdataset": {"path": "out", "members": {"txt": "caption"}}}))
    assert problem.startswith("spec.sink.webdataset.members: ") and "`caption`" in problem


def test_the_column_of_the_sink_of_images_is_that_of_the_source_by_default() -> None:
    sources, sink = [{"images": {"paths": ["in"]}}], {"images": {"path": "out"}}
    assert said(job(sources=sources, sink=sink)) == []
    assert said(job(sources=[{"binaryFiles": {"paths": ["in"]}}], sink=sink)) == []
    (problem,) = said(job([{"rename": {"columns": {"image": "picture"}}}], sources=sources, sink=sink))
    assert problem.startswith("spec.sink.images.image: column `bytes` is not available")


def test_columns_are_tracked_from_those_of_the_data() -> None:
    unknown = job([{"gopherQuality": {}}], [{"parquet": {"paths": ["in"]}}])
    assert [str(p) for p in check_columns(unknown.spec, ("id", "body"))] == [
        "spec.steps[0].gopherQuality.column: column `text` is not available at this step (columns: id, body)"
    ]


FOLDERS = {
    "the source itself": ("data", "data", True),
    "a folder in the source": ("data", "./data/clean/", True),
    "another spelling of it": ("file:///data", "/data//x/../clean", True),
    "a bucket": ("s3://lake/", "s3://lake/clean", True),
    "where a glob looks": ("data/*.parquet", "data", True),
    "where a deep glob looks": ("data/**/*.parquet", "data/a/b", True),
    "a folder that a glob names": ("data/*", "data/clean", True),
    "beside the source": ("data/raw", "data/clean", False),
    "a name that begins alike": ("data", "data-clean", False),
    "a folder that readers skip": ("data", "data/_clean", False),
    "below where a glob looks": ("data/*.parquet", "data/clean", False),
    "files of another ending": ("data/*.json", "data", False),
    "another bucket": ("s3://lake/raw", "s3://pond/raw", False),
    "another store": ("/lake/raw", "s3://lake/raw", False),
}


@pytest.mark.parametrize(("source", "sink", "wrong"), FOLDERS.values(), ids=list(FOLDERS))
def test_a_sink_inside_a_source_is_reported(source: str, sink: str, wrong: bool) -> None:
    found = said(job(sources=[{"parquet": {"paths": [source]}}], sink={"parquet": {"path": sink}}))
    assert [line.split(":")[0] for line in found] == ["spec.sink.parquet.path"] * wrong


def test_an_overwritten_sink_must_not_contain_the_source() -> None:
    (problem,) = said(job(sources=[{"parquet": {"paths": ["a/b"]}}], sink={"parquet": {"path": "a", "mode": "overwrite"}}))
    assert problem == "spec.sink.parquet.path: contains the input of the job (a/b), which `mode: overwrite` would delete"


def test_rejects_and_quarantine_must_be_outside_of_the_input() -> None:
    wrong = job(rejects={"path": "in/rejected"}, errors={"policy": "quarantine", "path": "out"})
    assert [line.split(":")[0] for line in said(wrong)] == ["spec.rejects.path", "spec.errors.path"]
    hidden = job(rejects={"path": "out/_rejected"}, errors={"policy": "quarantine", "path": "bad"})
    assert said(hidden) == []


def test_the_right_side_of_a_join_is_an_input() -> None:
    steps = [{"join": {"right": {"parquet": {"paths": ["names"]}}, "by": ["id"]}}]
    (problem,) = said(job(steps, sink={"parquet": {"path": "names/out"}}))
    assert problem.startswith("spec.sink.parquet.path: is inside the input of the job (names)")


def test_importing_reports_a_missing_function() -> None:
    missing = job([{"map": {"function": "no_such_module_here:f"}}])
    assert said(missing) == []
    (problem,) = check_imports(missing)
    assert problem.path == ("spec", "steps", 0, "map") and "no_such_module_here" in problem.message


def test_parsing_an_object_does_not_check_it() -> None:
    value = job([{"drop": {"columns": ["x"]}}]).model_dump(mode="json", by_alias=True, exclude_none=True)
    parsed, problems = parse_object(value)
    assert parsed is not None and not problems
    assert "column `x` is not available" in check(parsed)[0].message


class Caption(Model):
    """Describes an image."""

    image: Column = Field(description="The image.")


@pytest.mark.parametrize("on_cluster", [False, True])
def test_a_model_without_an_accelerator_is_a_warning_locally_and_an_error_on_a_cluster(on_cluster: bool) -> None:
    step = choice("Step", "operator", {"caption": Caption}, "One step.")(caption=Caption(image="image"))
    without = job(sources=[{"parquet": {"paths": ["in"]}}])
    spec = without.spec.model_copy(update={"steps": (step,)})
    problems = check(without.model_copy(update={"spec": spec}), on_cluster=on_cluster)
    (problem,) = (problem for problem in problems if problem.path[1] == "steps")
    assert problem.path == ("spec", "steps", 0, "caption") and problem.warning is not on_cluster
    assert "spec.resources.accelerator" in str(problem)
    resources = job(resources={"accelerator": {"type": "gpu"}}).spec.resources
    assert check(without.model_copy(update={"spec": spec.model_copy(update={"resources": resources})})) == []


def test_a_small_model_can_run_on_the_cpus_of_a_cluster() -> None:
    steps = [{"llava": {"image": "image", "prompt": "What is this?", "output": "caption", "device": "cpu"}}]
    assert (
        check(
            job(sources=[{"parquet": {"paths": ["s3://in"]}}], sink={"parquet": {"path": "s3://out"}}, steps=steps),
            on_cluster=True,
        )
        == []
    )


VOLUMES = {
    "volumes": [
        {"name": "lake", "persistentVolumeClaim": {"claimName": "lake"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "own", "ephemeral": {"volumeClaimTemplate": {}}},
    ],
    "volumeMounts": [
        {"name": "lake", "mountPath": "/lake/"},
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "scratch", "mountPath": "/lake/scratch"},
        {"name": "own", "mountPath": "/own"},
    ],
}


@pytest.mark.parametrize(
    "path",
    ["out/mine", "/tmp/out", "file:///tmp/out", "memory://out", "/lakes/out", "/scratch/out", "/lake/scratch/out", "/own/x"],
)
def test_a_path_that_other_pods_cannot_reach_is_an_error_on_a_cluster(path: str) -> None:
    on_s3: dict[str, Any] = {"sources": [{"json": {"paths": ["s3://in/"]}}], "sink": {"parquet": {"path": "s3://out/"}}}
    fields: dict[str, tuple[tuple[str | int, ...], dict[str, Any]]] = {
        "source": (
            ("spec", "sources", 1, "json", "paths", 1),
            {"sources": [*on_s3["sources"], {"json": {"paths": ["s3://in/", path]}}]},
        ),
        "sink": (("spec", "sink", "parquet", "path"), {"sink": {"parquet": {"path": path}}}),
        "rejects": (("spec", "rejects", "path"), {"rejects": {"path": path}}),
        "quarantine": (("spec", "errors", "path"), {"errors": {"policy": "quarantine", "path": path}}),
        "corpus": (
            ("spec", "steps", 0, "exactDedup"),
            {"steps": [{"exactDedup": {"columns": ["text"], "against": path}}]},
        ),
    }
    for place, spec in fields.values():
        made = job(**{**on_s3, **spec}, runtime=VOLUMES)
        problems = check(made, on_cluster=True)
        assert [problem.path for problem in problems] == [place]
        assert "s3://bucket/folder/" in str(problems[0]) and path in str(problems[0])
        assert check(made) == []


@pytest.mark.parametrize(
    "path", ["s3://a/", "gs://a/", "/lake", "https://a/b.parquet", "/lake/a", "file:///lake/a", "/lake/b/../c"]
)
def test_a_path_that_all_pods_reach_is_valid_on_a_cluster(path: str) -> None:
    made = job(sources=[{"parquet": {"paths": [path]}}], sink={"parquet": {"path": "s3://out/"}}, runtime=VOLUMES)
    assert check(made, on_cluster=True) == []


def test_without_volumes_no_local_path_is_valid_on_a_cluster() -> None:
    assert len(check(job(), on_cluster=True)) == 2
