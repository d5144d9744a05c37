"""A ModelService on a node: real KubeRay, real Ray Serve with HAProxy, the real application, and a client in the cluster.

The model repeats the words of the prompt, because the image without torch is used. Everything else is what a user runs.
"""

import time
from collections.abc import Iterator

import openai
import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.node_services import MODEL, NodeServices


@pytest.fixture(scope="module")
def services(api: Api, installed: Cluster) -> Iterator[NodeServices]:
    """A namespace for the tests of this file, which share one service."""
    name = api.create_namespace("e2e-service")
    yield NodeServices(api, name, installed)
    api.delete("namespaces", "", name)
    for pod in api.list("pods", name):
        api.delete("pods", name, pod["metadata"]["name"], grace_seconds=1)
    wait_for(lambda: api.get("namespaces", "", name) is None, f"the namespace {name} to go", 300)


def changed_model(text: str) -> dict[str, object]:
    """A spec whose model is loaded again."""
    return {"textGeneration": {**MODEL["textGeneration"], "system": text}}


def test_a_service_answers_the_official_client_and_scales_under_load(services: NodeServices) -> None:
    start(services)
    delete(services)


@pytest.mark.large
def test_a_service_survives_changes_and_losses_under_load(services: NodeServices) -> None:
    """Takes about ten minutes, so it is not part of `make e2e`."""
    start(services)
    change(services)
    kill_replica(services)
    refuse_a_bad_model(services)
    kill_head(services)
    delete(services)


def start(services: NodeServices) -> None:
    """A service with two replicas that receives requests all the time."""
    services.apply(update="surge")
    print(f"apply -> available: {services.wait_phase('Available'):.0f} s")
    ask(services)
    services.start_load()
    scale(services)


def ask(services: NodeServices) -> None:
    """One answer as a whole, one as a stream."""
    with services.forwarded() as url:
        client = openai.OpenAI(base_url=url, api_key="none", max_retries=5)
        assert [model.id for model in client.models.list()] == ["words"]
        question = {"model": "words", "messages": [{"role": "user", "content": "one two three"}]}
        whole = client.chat.completions.create(**question)  # type: ignore[call-overload]
        assert "one two three" in whole.choices[0].message.content
        stream = client.chat.completions.create(stream=True, **question)  # type: ignore[call-overload]
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 1


def scale(services: NodeServices) -> None:
    """From one replica to two."""
    services.edit(replicas={"min": 2, "max": 2})
    seconds = services.wait("two replicas", lambda status: status.get("readyReplicas") == 2 and status["phase"] == "Available")
    print(f"1 -> 2 replicas: {seconds:.0f} s; {services.answers(0)}")
    assert services.answers(0).most_in_a_row <= 1


def change(services: NodeServices) -> None:
    """Another model under load: new replicas start before old ones stop."""
    began, before = time.time(), services.status()["lastGood"]["revision"]
    services.edit(model=changed_model("Answer briefly."))
    seconds = services.wait(
        "the new model",
        lambda status: status["lastGood"]["revision"] not in ("", before) and status["phase"] == "Available",
    )
    answers = services.answers(began)
    print(f"rolling change with surge: {seconds:.0f} s; {answers}")
    assert answers.errors == []


def kill_replica(services: NodeServices) -> None:
    """A pod with a replica is lost without notice."""
    began = time.time()
    victim = services.pods("worker")[0]
    services.api.delete("pods", services.namespace, victim, grace_seconds=0)
    services.wait("a replacement", lambda status: status.get("readyReplicas") == 2 and victim not in services.pods("worker"))
    answers = services.answers(began)
    print(f"replica killed: {time.time() - began:.0f} s; {answers}")
    assert answers.most_in_a_row <= 1


def refuse_a_bad_model(services: NodeServices) -> None:
    """A model that cannot be loaded is reported, and the last good one keeps answering."""
    began = time.time()
    services.edit(model={"textGeneration": {"model": "/no/such/model", "engine": "transformers", "device": "cpu"}})
    services.wait("the failure", lambda status: status["phase"] == "Stalled" and status["reason"] == "ModelFailed")
    services.edit(model=changed_model("Answer at length."))
    services.wait("an answer to the correction", lambda status: status["phase"] == "Available" and "failed" not in status)
    answers = services.answers(began)
    print(f"bad model and its correction: {time.time() - began:.0f} s; {answers}")
    assert answers.errors == []


def kill_head(services: NodeServices) -> None:
    """The head is lost: without fault tolerance of Ray's control store, the whole cluster starts again."""
    began = time.time()
    (head,) = services.pods("head")
    services.api.delete("pods", services.namespace, head, grace_seconds=0)
    services.wait("another head", lambda status: status.get("readyReplicas") == 2 and services.pods("head") not in ([], [head]))
    wait_for(lambda: answers_well(services), "answers", 300)
    print(f"head killed: {time.time() - began:.0f} s; {services.answers(began)}")


def answers_well(services: NodeServices) -> bool:
    """Whether requests have been answered for some seconds."""
    found = services.answers(time.time() - 5)
    return found.count > 5 and not found.errors


def delete(services: NodeServices) -> None:
    """Everything goes with the service."""
    began = time.time()
    services.api.delete("modelservices", services.namespace, "words")
    services.api.delete("pods", services.namespace, "load", grace_seconds=0)
    wait_for(lambda: services.pods("head") + services.pods("worker") == [], "the pods to go", 600)
    assert services.api.get("services", services.namespace, "words") is None
    print(f"deleted: {time.time() - began:.0f} s")
