"""The spec of a ModelService: its models, its checks, its definition."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from datajob.api.generate import ROOT
from datajob.api.loading import load_services, parse_service, read_file, read_text
from datajob.api.service.checks import check_service
from datajob.api.service.crd import service_crd, service_editor_schema
from datajob.api.service.model import ALTERNATIVES, OF_JOBS, OF_ROWS, as_step
from datajob.api.service.service import ModelService, service_url
from datajob.errors import InvalidJob
from datajob.operators.registry import all_operators
from datajob.parameters import Reads, Writes, _metadata

TEXT = {"textGeneration": {"model": "Qwen/Qwen3-4B", "device": "cpu"}}
HEAD = {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService"}
JOB = """
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {name: a-job}
spec:
  sources: [{parquet: {paths: [in]}}]
  sink: {parquet: {path: out}}
"""


def service(name: str = "qwen", **spec: Any) -> dict[str, Any]:
    return {**HEAD, "metadata": {"name": name}, "spec": {"model": TEXT, "auth": {"anonymous": True}, **spec}}


def parsed(**spec: Any) -> ModelService:
    found, problems = parse_service(service(**spec))
    assert found and not problems, problems
    return found


@pytest.mark.parametrize("key", ALTERNATIVES)
def test_the_block_of_a_model_is_that_of_the_step_without_what_belongs_to_rows(key: str) -> None:
    """A new field of a step is one of the model, unless it refers to a column."""
    step, block = all_operators()[key].model_fields, ALTERNATIVES[key].model_fields
    assert set(block) == set(step) - OF_ROWS - OF_JOBS
    for name in block:
        marks = [*step[name].metadata, *_metadata(step[name].annotation)]
        assert not any(isinstance(mark, Reads | Writes) for mark in marks), f"{name} is a column"
        assert name == "model" or block[name].default == step[name].default
    assert block["model"].is_required()


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ({"textGeneration": {"model": "m", "dtype": "float32"}}, ("text", "float32")),
        ({"visionLanguage": {"model": "m", "maxPixels": 7}}, ("vision", None)),
        ({"embed": {"model": "m", "pooling": "last"}}, ("embed", None)),
    ],
)
def test_a_model_is_loaded_as_by_the_step(model: dict[str, Any], settings: tuple[str, Any]) -> None:
    step = as_step(parsed(model=model).spec.model)
    assert (step.settings().task, step.settings().dtype) == settings
    (key,) = model
    filled = {"prompt": "-"} if key != "embed" else {"column": "text"}
    assert step.settings() == all_operators()[key].model_validate({**model[key], **filled}).settings()


INVALID = {
    "no model": ({"model": {}}, "spec.model: needs exactly one model key, found none"),
    "two models": ({"model": {**TEXT, "embed": {"model": "m"}}}, "needs exactly one model key, found 2"),
    "a step that is no model": ({"model": {"dedup": {}}}, "unknown model `dedup`"),
    "a prompt": ({"model": {"textGeneration": {"model": "m", "prompt": "x"}}}, "unknown key `prompt`; remove it: each request"),
    "an output": ({"model": {"embed": {"model": "m", "output": "x"}}}, "remove it: it belongs to the steps of a DataJob"),
    "another server": ({"model": {"embed": {"model": "m", "endpoint": {}}}}, "a service loads its model itself"),
    "actors": ({"model": {"embed": {"model": "m", "actors": {}}}}, "unknown key `actors`; use `spec.replicas`"),
    "a model without its key": ({"model": "m"}, 'got "m"; write `model: {textGeneration: {model: NAME}}`'),
    "a model of its own step": ({"model": {"llava": {"model": "m"}}}, "unknown model `llava`; use `visionLanguage`"),
    "a model beside the model": ({"embed": {"model": "m"}}, "unknown key `embed`; nest `embed` under `model:`"),
    "steps": ({"steps": []}, "unknown key `steps`; a service has one `model` instead of steps"),
    "replicas as a number": ({"replicas": 3}, "must be a mapping, got 3; write `replicas: {min: 1, max: 1}`"),
    "an accelerator as a word": ({"resources": {"accelerator": "gpu"}}, "write `accelerator: {type: gpu}`"),
    "a misspelled limit of a key": (
        {"auth": {"secretName": "s", "keys": {"a": {"requestPerMinute": 1}}}},
        "spec.auth.keys.a.requestPerMinute: unknown key `requestPerMinute`; did you mean `requestsPerMinute`?",
    ),
    "an enormous limit of a key": (
        {"auth": {"secretName": "s", "keys": {"a": {"requestsPerMinute": 10**400}}}},
        "spec.auth.keys.a.requestsPerMinute: must be at most",
    ),
    "a Secret with an invalid name": ({"auth": {"secretName": "My Secret"}}, "must consist of lowercase letters"),
    "no model name": ({"model": {"embed": {}}}, "required field `model` is missing"),
    "nobody may send requests": ({"auth": {}}, "exactly one of `secretName` and `anonymous: true` is required"),
    "keys and everyone": ({"auth": {"secretName": "a", "anonymous": True}}, "exactly one of `secretName`"),
    "limits of keys without keys": ({"auth": {"anonymous": True, "keys": {"a": {}}}}, "`keys` requires `secretName`"),
    "too few replicas": ({"replicas": {"max": 0}}, "must be at least 1, got 0"),
    "min above max": ({"replicas": {"min": 2}}, "`min` (2) must not exceed `max` (1, the default)"),
    "numbers of workers": ({"resources": {"workers": {"min": 1}}}, "unknown key `min`"),
    "a host with a scheme": ({"media": {"allowedHosts": ["https://a.example"]}}, "must be the full name of a host"),
    "a wildcard as a host": ({"media": {"allowedHosts": ["*.a.example"]}}, "must be the full name of a host"),
    "a port as a part of a host": ({"media": {"allowedHosts": ["a.example:80"]}}, "must be the full name of a host"),
    "an IPv4 address as a host": ({"media": {"allowedHosts": ["127.0.0.1"]}}, "must be the full name of a host"),
    "an IPv6 address as a host": ({"media": {"allowedHosts": ["[::1]"]}}, "must be the full name of a host"),
    "an unknown update": ({"update": "rolling"}, "must be 'replace', 'surge' or 'newCluster'"),
    "labels of a RayJob": ({"runtime": {"rayJobLabels": {}}}, "unknown key `rayJobLabels`"),
}


@pytest.mark.parametrize(("spec", "message"), INVALID.values(), ids=INVALID)
def test_an_invalid_spec_is_refused_with_its_field(spec: dict[str, Any], message: str) -> None:
    found, problems = parse_service(service(**spec))
    assert found is None
    assert any(message in str(problem) for problem in problems), list(map(str, problems))


@pytest.mark.parametrize("name", ["Qwen", "1b", "a.b", "a-", "a" * 48, ""])
def test_a_name_that_kuberay_refuses_is_refused(name: str) -> None:
    found, problems = parse_service(service(name))
    assert found is None and str(problems[0]).startswith("metadata.name: ")


def test_who_may_send_requests_must_be_stated() -> None:
    value = service()
    del value["spec"]["auth"]
    found, problems = parse_service(value)
    assert found is None and str(problems[0]).startswith("spec.auth: required field `auth` is missing; write `auth: {")


CHECKED = {
    "fine": ({}, []),
    "an accelerator": ({"model": {"embed": {"model": "m"}}, "resources": {"accelerator": {"type": "gpu"}}}, []),
    "no accelerator": ({"model": {"embed": {"model": "m"}}}, ["spec.model.embed: requires an accelerator"]),
    "an unused accelerator": ({"resources": {"accelerator": {"type": "gpu"}}}, ["textGeneration.device: does not use"]),
    "images larger than a request": ({"limits": {"imageMegabytes": 30}}, ["limits.imageMegabytes: warning: exceeds"]),
    "hosts of images without images": (
        {"media": {"allowedHosts": ["a.b"]}},
        ["spec.media.allowedHosts: warning: has no effect"],
    ),
    "a reserved variable": ({"runtime": {"env": [{"name": "RAY_AUTH_MODE", "value": "x"}]}}, ["`RAY_AUTH_MODE` is set by"]),
    "a reserved label": ({"resources": {"head": {"labels": {"ray.io/serve": "x"}}}}, ["spec.resources.head.labels"]),
    "a field of the controller": (
        {"resources": {"workers": {"podTemplate": {"spec": {"restartPolicy": "Always"}}}}},
        ["spec.resources.workers.podTemplate"],
    ),
}


@pytest.mark.parametrize(("spec", "expected"), CHECKED.values(), ids=CHECKED)
def test_what_a_schema_cannot_express_is_checked(spec: dict[str, Any], expected: list[str]) -> None:
    problems = list(map(str, check_service(parsed(**spec), on_cluster=True)))
    assert len(problems) == len(expected), problems
    assert all(part in problem for part, problem in zip(expected, problems, strict=True)), problems


def test_without_a_cluster_a_missing_accelerator_is_a_warning() -> None:
    (problem,) = check_service(parsed(model={"embed": {"model": "m"}}))
    assert problem.warning


def test_a_file_may_contain_jobs_and_services(tmp_path: Any) -> None:
    file = tmp_path / "both.yaml"
    file.write_text(JOB + "---\n" + yaml.safe_dump(service()) + "---\napiVersion: v1\nkind: Secret\n")
    assert [document.name for document in read_file(str(file))] == ["a-job"]
    assert [one.metadata.name for one in load_services(str(file))] == ["qwen"]
    both = read_file(str(file), (), ("DataJob", "ModelService"))
    assert [(bool(one.job), bool(one.service)) for one in both] == [(True, False), (False, True)]


def test_a_file_without_a_service_is_refused(tmp_path: Any) -> None:
    (tmp_path / "job.yaml").write_text(JOB)
    with pytest.raises(InvalidJob, match="contains no ModelService"):
        load_services(str(tmp_path / "job.yaml"))


def test_an_unknown_kind_of_the_group_is_reported() -> None:
    (document,) = read_text("apiVersion: datajob.io/v1alpha1\nkind: ModelServise\n")
    assert any("kind" in str(problem) for problem in document.problems)


def test_names_and_addresses() -> None:
    assert parsed().model_name == "qwen"
    assert parsed(name="my-model").model_name == "my-model"
    assert service_url("qwen", "team-a") == "http://qwen.team-a.svc:8000/v1"


def test_the_definition_is_small_and_has_columns_of_the_state() -> None:
    """`kubectl apply` keeps the object as JSON in an annotation of at most 262,144 bytes."""
    assert len(json.dumps(service_crd())) < 100_000
    version = service_crd()["spec"]["versions"][0]
    shown = [column["name"] for column in version["additionalPrinterColumns"] if not column.get("priority")]
    assert shown == ["Phase", "Ready", "Replicas", "Model", "Age"]
    assert service_crd()["spec"]["names"]["shortNames"] == ["ms"]


def test_editors_accept_and_reject_what_the_models_do() -> None:
    validator = Draft202012Validator(service_editor_schema())
    assert validator.is_valid(service())
    assert not validator.is_valid(service(update="rolling"))
    assert (ROOT / "docs/modelservice.schema.json").exists()
