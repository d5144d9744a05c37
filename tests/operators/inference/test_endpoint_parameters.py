"""Parameters of steps with an endpoint: what they allow, and what determines an answer."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.resources import Resources
from datajob.engine.executors.placement import place
from datajob.engine.plan.fused import plan_job
from datajob.errors import InvalidJob
from datajob.operators.inference.embed import Embed
from datajob.operators.inference.text_generation import TextGeneration
from datajob.operators.inference.vision_language import VisionLanguage

URL = "https://example.com/v1"


def step(**fields: Any) -> TextGeneration:
    return TextGeneration.model_validate({"prompt": "{text}", **fields})


NOT_URLS = ("ftp://a/v1", "example.com/v1", "http:///v1", "http://a:0/", "http://a b/")
NOT_PLAIN = ("https://u:p@a/v1", "https://a/v1?key=x", "https://a/#x")
INVALID: list[tuple[dict[str, Any], str]] = [
    ({}, "set `model`, `service` or `endpoint`"),
    ({"model": ""}, "at least 1 character"),
    ({"endpoint": {}}, "`endpoint` needs `url`"),
    ({"endpoint": {"url": URL}, "service": "a"}, "either `service` or `endpoint.url`"),
    ({"endpoint": {"url": URL}, "model": "m"}, "`model` cannot be set"),
    ({"service": "a", "batchRows": 3, "dtype": "float16"}, "`batchRows`, `dtype` cannot be set"),
    ({"service": "a", "actors": {"min": 1}}, "`actors` cannot be set"),
    ({"service": "Not_a_name"}, "pattern"),
    *(({"endpoint": {"url": url}}, "URL that starts with http") for url in NOT_URLS),
    *(({"endpoint": {"url": url}}, "must not contain a user") for url in NOT_PLAIN),
    ({"endpoint": {"url": URL, "keyFrom": {}}}, "set `env` or `secret`"),
    ({"endpoint": {"url": URL, "keyFrom": {"env": "A-B"}}}, "pattern"),
    ({"endpoint": {"url": URL, "concurrency": 0}}, "greater than or equal to 1"),
    ({"endpoint": {"url": URL, "price": {"input": -1}}}, "greater than or equal to 0"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), INVALID, ids=[str(fields) for fields, _ in INVALID])
def test_an_invalid_combination_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        step(**fields)


def test_tokens_of_texts_are_only_counted_one_request_at_a_time() -> None:
    fields = {"column": "text", "tokensColumn": "n", "endpoint": {"url": URL}}
    with pytest.raises(ValidationError, match="`tokensColumn` needs `batchRows: 1`"):
        Embed.model_validate(fields)
    assert Embed.model_validate({**fields, "batchRows": 1}).texts_per_request() == 1
    with pytest.raises(ValidationError, match="`maxLength`, `pooling` cannot be set"):
        Embed.model_validate({"column": "text", "service": "a", "pooling": "first", "maxLength": 5})


def test_only_what_an_answer_depends_on_identifies_a_step() -> None:
    def identity(**endpoint: Any) -> Any:
        return step(endpoint={"url": URL, "model": "m", **endpoint}).identity()

    settings = {"concurrency": 4, "requestsPerMinute": 5, "tokensPerMinute": 6, "timeoutSeconds": 7, "retrySeconds": 8}
    same = identity(keyFrom={"env": "A"}, price={"input": 1}, **settings)
    assert same == identity() == identity(keyFrom={"secret": {"name": "s", "key": "k"}})
    assert identity(model="other") != identity() != identity(url="https://example.org/v1")
    assert step(service="a").identity() != step(service="b").identity()


def test_the_key_of_a_secret_is_in_a_variable_with_its_name() -> None:
    secret = {"name": "open-ai", "key": "api.key"}
    made = step(endpoint={"url": URL, "keyFrom": {"secret": secret}})
    assert made.secrets() == {"DATAJOB_KEY_OPEN_AI_API_KEY": ("open-ai", "api.key")}
    assert made.target().key_variable == "DATAJOB_KEY_OPEN_AI_API_KEY"
    named = step(endpoint={"url": URL, "keyFrom": {"env": "OPENAI_API_KEY", "secret": secret}})
    assert named.secrets() == {"OPENAI_API_KEY": ("open-ai", "api.key")}
    assert step(endpoint={"url": URL, "keyFrom": {"env": "OPENAI_API_KEY"}}).secrets() == {}


def test_a_service_is_found_by_its_name_on_a_cluster_and_by_a_variable_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    target = step(service="my-captions").target()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidJob, match="set the environment variable DATAJOB_SERVICE_MY_CAPTIONS"):
        target.base_url()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert target.base_url() == "http://my-captions:8000/v1"
    monkeypatch.setenv("DATAJOB_SERVICE_MY_CAPTIONS", "http://localhost:8000/v1/")
    assert target.base_url() == "http://localhost:8000/v1"


@pytest.mark.parametrize("key", ["", " ", "two words", "schlüssel", "a\nb"])
def test_a_key_that_cannot_be_sent_is_an_error_that_does_not_contain_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", key)
    with pytest.raises(InvalidJob, match="A_KEY") as caught:
        step(endpoint={"url": URL, "keyFrom": {"env": "A_KEY"}}).target().key()
    assert not key.strip() or key not in str(caught.value)


def test_white_space_around_a_key_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "secret\n")
    assert step(endpoint={"url": URL, "keyFrom": {"env": "A_KEY"}}).target().key() == "secret"


def job(*steps: dict[str, Any], **spec: Any) -> DataJob:
    return DataJob.model_validate(
        {
            "apiVersion": "datajob.io/v1alpha1",
            "kind": "DataJob",
            "metadata": {"name": "test"},
            "spec": {
                "sources": [{"parquet": {"paths": ["s3://b/in"]}}],
                "steps": list(steps),
                "sink": {"parquet": {"path": "s3://b/out"}},
                **spec,
            },
        }
    )


def asking(**endpoint: Any) -> dict[str, Any]:
    return {"textGeneration": {"prompt": "{text}", "endpoint": {"url": URL, **endpoint}}}


def test_an_endpoint_needs_no_accelerator_on_a_cluster() -> None:
    assert check(job(asking()), on_cluster=True) == []
    assert check(job({"visionLanguage": {"prompt": "a", "service": "b"}}), on_cluster=True) == []
    assert VisionLanguage(prompt="a", service="b").needs().accelerators == 0


def test_a_variable_for_a_secret_must_be_free() -> None:
    def secret(env: str, name: str = "a") -> dict[str, Any]:
        return asking(keyFrom={"env": env, "secret": {"name": name, "key": "k"}})

    assert check(job(secret("A"), secret("A"))) == []
    assert "set from two Secrets" in str(check(job(secret("A"), secret("A", "b")))[0])
    assert "also set in `runtime.env`" in str(check(job(secret("A"), runtime={"env": [{"name": "A", "value": "x"}]}))[0])
    assert "reserved" in str(check(job(secret("RAY_ADDRESS")))[0])


def test_an_endpoint_has_one_process_beside_the_workers_and_the_models_on_accelerators() -> None:
    steps = [asking(), {"llava": {"model": "m", "image": "text"}}, asking(), asking(model="other")]
    (fused,) = plan_job(job(*steps).spec).cuts
    cpu = place(plan_job(job(asking()).spec).cuts[0], Resources(), {"CPU": 8})
    assert cpu.workers is not None and cpu.workers.size == (8, 8) and not cpu.workers.models
    (pool,) = cpu.pools
    assert (pool.name, pool.size, pool.num_cpus, pool.accelerators) == ("textGeneration", (1, 1), 0, 0)
    both = place(fused, Resources(), {"CPU": 8, "GPU": 2})
    assert [one.name for one in both.pools] == ["llava", "textGeneration+textGeneration-2", "textGeneration-3"]
    assert [one.size for one in both.pools] == [(2, 2), (1, 1), (1, 1)]
