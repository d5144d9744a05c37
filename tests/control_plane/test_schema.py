"""What the API server accepts, what it rejects with the name of the field, and what only the controller can check."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.api import Api, Refused
from tests.support.api_jobs import Jobs
from tests.support.controller_process import ROOT

SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
PARQUET = {"parquet": {"paths": ["s3://a/b"]}}
BIG = "x" * 64

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no sources": ({"sources": None}, "spec.sources"),
    "empty sources": ({"sources": []}, "spec.sources"),
    "a source that is text": ({"sources": ["s3://a/b"]}, "spec.sources[0]"),
    "a source without a reader": ({"sources": [{}]}, "spec.sources[0]"),
    "a source with two readers": ({"sources": [{**PARQUET, "json": {"paths": ["s3://a"]}}]}, "spec.sources[0]"),
    "an unknown reader": ({"sources": [{"oracle": {"paths": ["s3://a"]}}]}, "oracle"),
    "a reader without paths": ({"sources": [{"parquet": {}}]}, "paths"),
    "a reader with no path": ({"sources": [{"parquet": {"paths": []}}]}, "paths"),
    "a path that is a number": ({"sources": [{"parquet": {"paths": [7]}}]}, "paths[0]"),
    "an unknown key of a reader": ({"sources": [{"parquet": {"paths": ["s3://a"], "glob": "*"}}]}, "glob"),
    "too many sources": ({"sources": [PARQUET] * 65}, "spec.sources"),
    "no sink": ({"sink": None}, "spec.sink"),
    "an empty sink": ({"sink": {}}, "spec.sink"),
    "two sinks": ({"sink": {"parquet": {"path": "s3://a"}, "json": {"path": "s3://b"}}}, "spec.sink"),
    "an unknown writer": ({"sink": {"excel": {"path": "s3://a"}}}, "excel"),
    "a sink without a path": ({"sink": {"parquet": {}}}, "path"),
    "an unknown mode": ({"sink": {"parquet": {"path": "s3://a", "mode": "replace"}}}, "mode"),
    "an unknown compression": ({"sink": {"parquet": {"path": "s3://a", "compression": "rar"}}}, "compression"),
    "steps that are an object": ({"steps": {"filter": {"where": "true"}}}, "spec.steps"),
    "a step without an operator": ({"steps": [{}]}, "spec.steps[0]"),
    "a step with two operators": ({"steps": [{"limit": {"rows": 1}, "filter": {"where": "true"}}]}, "spec.steps[0]"),
    "an unknown operator": ({"steps": [{"filtre": {"where": "true"}}]}, "filtre"),
    "an operator without its parameter": ({"steps": [{"filter": {}}]}, "where"),
    "an unknown parameter": ({"steps": [{"filter": {"where": "true", "column": "a"}}]}, "column"),
    "a parameter of the wrong type": ({"steps": [{"filter": {"where": ["a"]}}]}, "where"),
    "an operator that is text": ({"steps": [{"filter": "a > 1"}]}, "spec.steps[0].filter"),
    "too many steps": ({"steps": [{"filter": {"where": "true"}}] * 65}, "spec.steps"),
    "rejects without a path": ({"rejects": {}}, "spec.rejects"),
    "an unknown policy for errors": ({"errors": {"policy": "ignore"}}, "spec.errors.policy"),
    "quarantine without a path": ({"errors": {"policy": "quarantine"}}, "spec.errors"),
    "a path without quarantine": ({"errors": {"policy": "drop", "path": "s3://q"}}, "spec.errors"),
    "a ratio above one": ({"errors": {"maxRatio": 1.5}}, "spec.errors.maxRatio"),
    "a ratio below nothing": ({"errors": {"maxRatio": -0.1}}, "spec.errors.maxRatio"),
    "a ratio that is text": ({"errors": {"maxRatio": "half"}}, "spec.errors.maxRatio"),
    "an empty image": ({"runtime": {"image": ""}}, "spec.runtime.image"),
    "env that is an object": ({"runtime": {"env": {"A": "b"}}}, "spec.runtime.env"),
    "an unknown key of runtime": ({"runtime": {"command": ["sh"]}}, "command"),
    "too many volumes": ({"runtime": {"volumes": [{"name": "x"}] * 65}}, "spec.runtime.volumes"),
    "min above max": ({"resources": {"workers": {"min": 3, "max": 2}}}, "min must not exceed max"),
    "a negative min": ({"resources": {"workers": {"min": -1}}}, "spec.resources.workers.min"),
    "no workers at all": ({"resources": {"workers": {"min": 0, "max": 0}}}, "spec.resources.workers.max"),
    "too many workers": ({"resources": {"workers": {"max": 10_001}}}, "spec.resources.workers.max"),
    "half a worker": ({"resources": {"workers": {"max": 1.5}}}, "spec.resources.workers.max"),
    "cpu that is no quantity": ({"resources": {"workers": {"cpu": "many"}}}, "spec.resources.workers.cpu"),
    "memory with a wrong unit": ({"resources": {"head": {"memory": "4GB"}}}, "spec.resources.head.memory"),
    "an unknown group": ({"resources": {"masters": {}}}, "masters"),
    "a selector that is a list": ({"resources": {"workers": {"nodeSelector": ["gpu"]}}}, "nodeSelector"),
    "a selector with a number": ({"resources": {"workers": {"nodeSelector": {"zone": 1}}}}, "zone"),
    "a typo in a toleration": ({"resources": {"head": {"tolerations": [{"kei": "a"}]}}}, "kei"),
    "an unknown effect": ({"resources": {"head": {"tolerations": [{"key": "a", "effect": "NoRun"}]}}}, "effect"),
    "Exists with a value": (
        {"resources": {"head": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}},
        "operator Exists does not allow a value",
    ),
    "a typo in a spread": ({"resources": {"workers": {"topologySpreadConstraints": [{"topologyKeys": "a"}]}}}, "topologyKey"),
    "a typo in a placement": ({"resources": {"workers": {"runtimeClass": "nvidia"}}}, "runtimeClass"),
    "labels with a number": ({"resources": {"head": {"labels": {"a": 1}}}}, "labels"),
    "scratch without a size": (
        {"resources": {"head": {"scratch": {"storageClassName": "a"}}}},
        "exactly one of size and claimName",
    ),
    "scratch with two volumes": (
        {"resources": {"head": {"scratch": {"size": "1Gi", "claimName": "a"}}}},
        "exactly one of size and claimName",
    ),
    "an accelerator without a type": ({"resources": {"accelerator": {}}}, "type"),
    "an unknown accelerator": ({"resources": {"accelerator": {"type": "tpu"}}}, "spec.resources.accelerator.type"),
    "no accelerator per worker": (
        {"resources": {"accelerator": {"type": "gpu", "perWorker": 0}}},
        "spec.resources.accelerator.perWorker",
    ),
    "accelerators with min above max": (
        {"resources": {"accelerator": {"type": "npu", "min": 2, "max": 1}}},
        "spec.resources.accelerator",
    ),
    "suspend that is text": ({"suspend": "yes"}, "spec.suspend"),
    "an empty queue": ({"queueName": ""}, "spec.queueName"),
    "a long queue": ({"queueName": BIG}, "spec.queueName"),
    "a negative number of retries": ({"retry": {"limit": -1}}, "spec.retry.limit"),
    "too many retries": ({"retry": {"limit": 101}}, "spec.retry.limit"),
    "a wait of more than a day": ({"retry": {"backoffSeconds": 86_401}}, "spec.retry.backoffSeconds"),
    "a deadline of nothing": ({"deadlineSeconds": 0}, "spec.deadlineSeconds"),
    "a negative time to live": ({"ttlSecondsAfterFinished": -1}, "spec.ttlSecondsAfterFinished"),
    "an unknown field": ({"priority": "high"}, "priority"),
}

UNKNOWABLE: dict[str, tuple[dict[str, Any], str]] = {
    "a column that no step makes": (
        {"steps": [{"select": {"columns": ["text"]}}, {"wordCount": {"column": "txet"}}]},
        "did you mean `text`",
    ),
    "a sink inside a source": ({"sink": {"parquet": {"path": "s3://lake/in/clean"}}}, "is inside the input of the job"),
    "SQL that is none": ({"steps": [{"filter": {"where": "a >"}}]}, "spec.steps[0].filter"),
}


def test_there_are_fifty_bad_specs() -> None:
    assert len(BAD) >= 50


@pytest.mark.parametrize("sample", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_the_api_server_accepts_every_sample(api: Api, namespace: str, sample: Path) -> None:
    taken = 0
    for document in yaml.safe_load_all(sample.read_text()):
        if document and document["kind"] == "DataJob":
            document["metadata"]["namespace"] = namespace
            api.create("datajobs", document, dry_run=True)
            taken += 1
    assert taken or "DataJob" not in sample.read_text()


@pytest.mark.parametrize("name", BAD)
def test_the_api_server_rejects_a_bad_spec_and_names_the_field(jobs: Jobs, name: str) -> None:
    change, said = BAD[name]
    manifest = jobs.manifest("bad", **change)
    manifest["spec"] = {key: value for key, value in manifest["spec"].items() if value is not None}
    with pytest.raises(Refused) as refused:
        jobs.api.create("datajobs", manifest, dry_run=True)
    assert refused.value.code in (400, 422)
    assert said in refused.value.message


@pytest.mark.parametrize("name", UNKNOWABLE)
def test_the_controller_reports_what_a_schema_cannot_check(jobs: Jobs, controller: object, name: str) -> None:
    change, said = UNKNOWABLE[name]
    jobs.apply(**change)
    stalled = jobs.wait_condition("Stalled", "InvalidSpec")
    assert said in stalled["message"]
    assert jobs.condition("Accepted")["status"] == "False"
    assert jobs.owned() == []
