"""Completions, embeddings and models with the official client."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.support.serving import Running, new_service, running


def test_completions_of_several_prompts_are_numbered_across_prompts(client: Any) -> None:
    found = client.completions.create(model="test", prompt=["a b", "c"], n=2)
    assert found.object == "text_completion" and found.id.startswith("cmpl-")
    assert [(c.index, c.text, c.finish_reason) for c in found.choices] == [
        (0, "a b", "stop"), (1, "a b", "stop"), (2, "c", "stop"), (3, "c", "stop"),
    ]  # fmt: skip
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 6)


def test_a_streamed_completion_has_the_same_texts(client: Any) -> None:
    chunks = list(
        client.completions.create(model="test", prompt=["a b", "c"], stream=True, stream_options={"include_usage": True})
    )
    texts = {0: "", 1: ""}
    for chunk in chunks[:-1]:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == {0: "a b", 1: "c"} and chunks[-1].usage.total_tokens == 6


@pytest.mark.parametrize("prompt", [[5, 6], [[5, 6]]])
def test_a_prompt_of_tokens(client: Any, prompt: Any) -> None:
    assert client.completions.create(model="test", prompt=prompt).choices[0].text == "5 6"


def test_log_probabilities_of_completions_have_offsets(client: Any) -> None:
    found = client.completions.create(model="test", prompt="ab c", logprobs=1).choices[0].logprobs
    assert (found.tokens, found.text_offset, len(found.token_logprobs)) == (["ab", " c"], [0, 2], 2)
    assert list(found.top_logprobs[0]) == ["ab"]


@pytest.mark.parametrize("fields", [{"echo": True}, {"suffix": "x"}, {"best_of": 2}, {"prompt": []}, {"prompt": ["a"] * 9}])
def test_what_completions_do_not_support_is_refused_by_name(served: Running, fields: dict[str, Any]) -> None:
    status, _, reply = served.post("/v1/completions", {"model": "test", "prompt": "a", **fields})
    assert status == 400 and reply["error"]["param"] == next(iter(fields))


def test_embeddings_are_the_same_in_both_encodings(client: Any) -> None:
    encoded = client.embeddings.create(model="test", input=["a b", "c"])  # base64 by default
    plain = client.embeddings.create(model="test", input=["a b", "c"], encoding_format="float")
    assert [d.index for d in plain.data] == [0, 1] and plain.usage.prompt_tokens == 3
    assert [d.embedding for d in encoded.data] == [d.embedding for d in plain.data]
    assert math.isclose(sum(x * x for x in plain.data[0].embedding), 1, rel_tol=1e-5)


@pytest.mark.parametrize("given", ["a b", [5, 6], [[5, 6]]])
def test_embeddings_of_a_text_or_of_tokens(client: Any, given: Any) -> None:
    assert client.embeddings.create(model="test", input=given, dimensions=8).usage.total_tokens == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"), ({"input": []}, "input"), ({"input": ["a", ""]}, "input"), ({"input": ["a"] * 2049}, "input"),
        ({"input": 5}, "input"), ({"input": [1, "a"]}, "input"), ({"input": [True]}, "input"),
        ({"input": "a", "dimensions": 4}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a " * 5000}, "input"), ({}, "input"),
    ],
)  # fmt: skip
def test_bad_requests_for_embeddings_are_refused_by_name(served: Running, fields: dict[str, Any], param: str) -> None:
    status, _, reply = served.post("/v1/embeddings", {"model": "test", **fields})
    assert status == 400 and reply["error"]["param"] == param, reply


def test_the_model_is_listed_and_found_by_its_name(client: Any) -> None:
    (listed,) = client.models.list().data
    assert (listed.id, listed.object) == ("test", "model")
    assert client.models.retrieve("test").id == "test"


def test_a_model_refuses_what_it_does_not_support() -> None:
    from datajob.operators.inference._engines.fake_serving import FakeServing

    class OnlyEmbeddings(FakeServing):
        features = frozenset({"embeddings"})

    class OnlyText(FakeServing):
        features = frozenset({"chat"})

    user = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
    with running(new_service(OnlyEmbeddings())) as found:
        for path, body in (
            ("chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
            ("completions", {"prompt": "a"}),
        ):
            status, _, reply = found.post(f"/v1/{path}", {"model": "test", **body})
            assert (status, reply["error"]["param"]) == (400, "model")
    with running(new_service(OnlyText())) as found:
        status, _, reply = found.post("/v1/chat/completions", {"model": "test", "messages": [user]})
        assert (status, reply["error"]["param"]) == (400, "messages[0].content[0].image_url.url")
        assert found.post("/v1/embeddings", {"model": "test", "input": "a"})[2]["error"]["param"] == "model"
        body = {"model": "test", "messages": [{"role": "user", "content": "a"}], "presence_penalty": 1}
        assert found.post("/v1/chat/completions", body)[2]["error"]["param"] == "presence_penalty"
