"""A ModelService on a node: real KubeRay, real Ray Serve with HAProxy, the real application, and clients in the cluster.

The model repeats the words of the prompt, because the image without torch is used. Everything else is what a user runs.
All tests of this file use one service, which receives requests all the time. The tests marked `large` take about half an hour;
`make e2e-service` runs them and prints what the requests observed.
"""

import json
import time
from collections.abc import Iterator

import openai
import pyarrow.fs as pafs
import pytest

from hack.cluster.cluster import Cluster
from hack.cluster.s3 import BUCKET, ClusterS3
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.node_jobs import NodeJobs
from tests.support.node_services import KEY, KEYS, MODEL, NodeServices

ROWS = 200


@pytest.fixture(scope="module")
def services(api: Api, installed: Cluster) -> Iterator[NodeServices]:
    """A namespace for the tests of this file, which share one service."""
    name = api.create_namespace("e2e-service")
    found = NodeServices(api, name, installed)
    found.give_key()
    yield found
    api.delete("namespaces", "", name)
    for pod in api.list("pods", name):
        api.delete("pods", name, pod["metadata"]["name"], grace_seconds=1)
    wait_for(lambda: api.get("namespaces", "", name) is None, f"the namespace {name} to go", 300)


@pytest.fixture(scope="module")
def loaded(services: NodeServices) -> NodeServices:
    """A service with one replica that receives requests all the time."""
    services.apply(update="surge")
    print(f"apply -> available: {services.wait_phase('Available'):.0f} s")
    services.start_load()
    return services


@pytest.fixture
def doubled(loaded: NodeServices) -> NodeServices:
    """The service with two replicas."""
    loaded.edit(replicas={"min": 2, "max": 2})
    loaded.wait_replicas(2)
    return loaded


def changed_model(text: str) -> dict[str, object]:
    """A model that is loaded again."""
    return {"textGeneration": {**MODEL["textGeneration"], "system": text}}


def test_the_official_client_gets_answers_and_streams(loaded: NodeServices) -> None:
    with loaded.forwarded() as url:
        with pytest.raises(openai.AuthenticationError):
            openai.OpenAI(base_url=url, api_key="another", max_retries=5).models.list()
        client = openai.OpenAI(base_url=url, api_key=KEY, max_retries=5)
        assert [model.id for model in client.models.list()] == ["words"]
        question = {"model": "words", "messages": [{"role": "user", "content": "one two three"}]}
        whole = client.chat.completions.create(**question)  # type: ignore[call-overload]
        assert "one two three" in whole.choices[0].message.content
        stream = client.chat.completions.create(stream=True, **question)  # type: ignore[call-overload]
        pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([piece for piece in pieces if piece]) > 1


def test_replicas_are_added_without_a_failed_request(loaded: NodeServices) -> None:
    began = time.time()  # the first requests are older: nodes learn the address of a new service after it is available
    loaded.edit(replicas={"min": 2, "max": 2})
    loaded.wait_replicas(2)
    assert loaded.report("1 -> 2 replicas", began).errors == []


@pytest.mark.large
def test_a_job_sends_its_rows_to_the_service(loaded: NodeServices, s3_in_cluster: ClusterS3) -> None:
    """With the API key of the Secret, and through the NetworkPolicy of the service."""
    folder = f"s3://{BUCKET}/{loaded.namespace}"
    lines = "".join(f'{{"text": "row {number}"}}\n' for number in range(ROWS))
    s3_in_cluster.write(f"{folder[5:]}/in/rows.jsonl", lines.encode())
    s3_in_cluster.give_secret(loaded.namespace)
    jobs = NodeJobs(loaded.api, loaded.namespace, loaded.cluster)
    key = {"env": "SERVICE_KEY", "secret": {"name": KEYS, "key": "test"}}
    jobs.apply(
        "answers",
        sources=[{"json": {"paths": [f"{folder}/in/"]}}],
        steps=[{"textGeneration": {"service": "words", "endpoint": {"keyFrom": key}, "prompt": "{text}", "output": "answer"}}],
        sink={"json": {"path": f"{folder}/out/", "mode": "overwrite"}},
        errors={"policy": "fail"},
        runtime={"envFrom": [{"secretRef": {"name": "s3"}}]},
        resources={
            "head": {"cpu": "400m", "memory": "2Gi"},
            "workers": {"min": 1, "max": 1, "cpu": "300m", "memory": "1500Mi"},
        },
    )
    status = jobs.wait_end("answers")
    assert status["phase"] == "Complete", status
    (endpoint,) = status["endpoints"]
    assert endpoint["requests"] >= ROWS
    with s3_in_cluster.files() as files:
        written = files.get_file_info(pafs.FileSelector(f"{folder[5:]}/out", recursive=True))
        texts = [files.open_input_stream(one.path).read().decode() for one in written if ".jsonl" in one.base_name]
    rows = [json.loads(line) for line in "".join(texts).splitlines()]
    assert sorted(row["text"] for row in rows) == sorted(f"row {number}" for number in range(ROWS))
    assert all(row["text"] in row["answer"] for row in rows)


@pytest.mark.large
def test_a_change_with_surge_loses_no_request(doubled: NodeServices) -> None:
    """New replicas start before old ones stop."""
    began = time.time()
    doubled.edit(model=changed_model("Answer briefly."))
    doubled.wait_new_model()
    doubled.wait_workers(2)
    assert doubled.report("change with surge, 2 replicas", began).errors == []


@pytest.mark.large
def test_a_bad_model_is_reported_while_the_last_good_one_answers(doubled: NodeServices) -> None:
    began = time.time()
    doubled.edit(model={"textGeneration": {"model": "/no/such/model", "engine": "transformers", "device": "cpu"}})
    doubled.wait("the failure", lambda status: status["phase"] == "Stalled" and status["reason"] == "ModelFailed")
    doubled.wait("the last good model", lambda status: status.get("readyReplicas") == 2)
    failure = doubled.report("bad model", began)
    doubled.edit(model=changed_model("Answer at length."))
    doubled.wait_new_model()
    doubled.wait_workers(2)
    assert "failed" not in doubled.status()
    assert doubled.report("bad model and its correction", began).errors == failure.errors == []


@pytest.mark.large
def test_a_killed_replica_costs_at_most_one_retry(doubled: NodeServices) -> None:
    """A pod with a replica is lost without notice."""
    began, before = time.time(), doubled.pods("worker")
    doubled.api.delete("pods", doubled.namespace, before[0], grace_seconds=0)
    wait_for(lambda: set(doubled.ready_pods("worker")) - {*before}, "a ready replacement", 600)
    doubled.wait_replicas(2)
    assert doubled.report("replica killed", began).most_in_a_row <= 1


@pytest.mark.large
def test_replicas_are_removed_without_a_failed_request(doubled: NodeServices) -> None:
    began = time.time()
    doubled.edit(replicas={"min": 1, "max": 1})
    doubled.wait_replicas(1)
    doubled.wait_workers(1)
    assert doubled.report("2 -> 1 replicas", began).errors == []


@pytest.mark.large
def test_a_single_replica_is_replaced_without_a_failed_request(loaded: NodeServices) -> None:
    began = time.time()
    loaded.edit(replicas={"min": 1, "max": 1}, model=changed_model("Answer politely."))
    loaded.wait_new_model()
    loaded.wait_workers(1)
    assert loaded.report("change with surge, 1 replica", began).errors == []


@pytest.mark.large
def test_a_new_cluster_takes_over_without_a_failed_request(loaded: NodeServices) -> None:
    before, began = loaded.status()["rayClusterName"], time.time()
    loaded.edit(update="newCluster", replicas={"min": 1, "max": 1}, model=changed_model("Answer in a new cluster."))
    loaded.wait_new_model()
    assert loaded.status()["rayClusterName"] != before
    wait_for(lambda: len(loaded.pods("head")) == 1, "the previous cluster to go", 600)
    assert loaded.report("newCluster", began).errors == []


@pytest.mark.large
def test_a_replacement_interrupts_only_a_single_replica(loaded: NodeServices) -> None:
    """`update: replace` without twice the pods."""
    began = time.time()
    loaded.edit(update="replace", replicas={"min": 1, "max": 1}, model=changed_model("Answer after a break."))
    loaded.wait_new_model()
    wait_for(loaded.answers_well, "answers", 300)
    loaded.report("replace, 1 replica", began)


@pytest.mark.large
def test_a_suspended_service_has_no_pods_and_comes_back(loaded: NodeServices) -> None:
    began = time.time()
    loaded.edit(suspend=True)
    loaded.wait_phase("Suspended")
    assert loaded.pods("head") + loaded.pods("worker") == []
    resumed = time.time()
    loaded.edit(suspend=False)
    loaded.wait_phase("Available")
    wait_for(loaded.answers_well, "answers", 300)
    print(f"suspended after {resumed - began:.0f} s, resumed after {time.time() - resumed:.0f} s")


@pytest.mark.large
def test_a_lost_head_is_replaced(loaded: NodeServices) -> None:
    """Without fault tolerance of Ray's control store, the whole cluster starts again."""
    began, (head,) = time.time(), loaded.pods("head")
    loaded.api.delete("pods", loaded.namespace, head, grace_seconds=0)
    wait_for(lambda: loaded.ready_pods("head") not in ([], [head]), "another head", 600)
    loaded.wait_phase("Available")
    wait_for(loaded.answers_well, "answers", 300)
    loaded.report("head killed", began)


def test_everything_goes_with_the_service(loaded: NodeServices) -> None:
    began = time.time()
    loaded.api.delete("modelservices", loaded.namespace, "words")
    loaded.api.delete("pods", loaded.namespace, "load", grace_seconds=0)
    wait_for(lambda: loaded.pods("head") + loaded.pods("worker") == [], "the pods to go", 600)
    wait_for(lambda: loaded.api.get("services", loaded.namespace, "words") is None, "the Service to go")
    print(f"deleted: {time.time() - began:.0f} s")
