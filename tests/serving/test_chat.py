"""Chat completions with the official client."""

from __future__ import annotations

from typing import Any

USER = [{"role": "user", "content": "a b c"}]


def test_a_chat_has_the_answer_and_the_tokens(client: Any) -> None:
    found = client.chat.completions.create(model="test", messages=USER)
    assert found.object == "chat.completion" and found.id.startswith("chatcmpl-") and found.model == "test"
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content, choice.message.refusal) == ("assistant", "a b c", None)
    assert (choice.finish_reason, choice.index, choice.logprobs) == ("stop", 0, None)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (3, 3, 6)
    assert found.system_fingerprint.startswith("fp_")


def test_a_streamed_chat_has_the_same_answer(client: Any) -> None:
    chunks = list(
        client.chat.completions.create(model="test", messages=USER, stream=True, stream_options={"include_usage": True})
    )
    assert {(c.id, c.created, c.model, c.object) for c in chunks} == {
        (chunks[0].id, chunks[0].created, "test", "chat.completion.chunk")
    }
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "a b c"
    assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-2].choices[0].delta.content is None
    assert not chunks[-1].choices and chunks[-1].usage.total_tokens == 6
    assert all(c.usage is None for c in chunks[:-1])


def test_without_include_usage_no_chunk_is_without_choices(client: Any) -> None:
    chunks = list(client.chat.completions.create(model="test", messages=USER, stream=True))
    assert all(len(c.choices) == 1 and c.usage is None for c in chunks)


def test_several_answers_and_a_limit(client: Any) -> None:
    found = client.chat.completions.create(model="test", messages=USER, n=3, max_completion_tokens=2)
    assert [(c.index, c.message.content, c.finish_reason) for c in found.choices] == [(i, "a b", "length") for i in range(3)]
    assert found.usage.completion_tokens == 6


def test_an_answer_ends_before_a_stop_text(client: Any) -> None:
    found = client.chat.completions.create(model="test", messages=USER, stop=["b"])
    assert (found.choices[0].message.content, found.choices[0].finish_reason) == ("a", "stop")


def test_log_probabilities_of_each_token(client: Any) -> None:
    for stream in (False, True):
        found = client.chat.completions.create(model="test", messages=USER, logprobs=True, top_logprobs=2, stream=stream)
        parts = list(found) if stream else [found]
        tokens = [t for part in parts for c in part.choices if c.logprobs for t in c.logprobs.content]
        assert [t.token for t in tokens] == ["a", " b", " c"]
        assert [len(t.top_logprobs) for t in tokens] == [2, 2, 2] and bytes(tokens[1].bytes) == b" b"


def test_fields_that_do_not_change_the_answer_are_ignored(client: Any) -> None:
    found = client.chat.completions.create(
        model="test",
        messages=USER,
        user="u",
        store=True,
        metadata={"a": "b"},
        service_tier="auto",
        tools=[],
        tool_choice="none",
    )
    assert found.choices[0].message.content == "a b c"


def test_all_roles_of_a_conversation_reach_the_model(client: Any) -> None:
    messages = [
        {"role": "developer", "content": "d"},
        {"role": "user", "content": [{"type": "text", "text": "e"}, {"type": "text", "text": "f"}]},
        {"role": "assistant", "content": "g"},
        {"role": "user", "content": "h", "name": "n"},
    ]
    assert client.chat.completions.create(model="test", messages=messages).choices[0].message.content == "d e f g h"
