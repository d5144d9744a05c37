"""Steps with an endpoint: answers, retries, failed rows and errors of the job, against a real server."""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any

import pyarrow as pa
import pytest

from datajob.errors import EndpointUnavailable, InvalidJob, public
from datajob.operators.base import Batch, Device
from datajob.operators.inference._endpoints import http
from datajob.operators.inference.embed import Embed
from datajob.operators.inference.text_generation import TextGeneration
from tests.support.endpoint_server import (
    KEY,
    Behavior,
    EndpointServer,
    changed,
    choice,
    closing,
    dripping,
    endpoint_server,
    hanging,
    huge,
    refusing,
    saying,
)
from tests.support.endpoint_steps import Run, answers


def test_rows_get_the_answers_to_their_prompts(run: Run, server: EndpointServer) -> None:
    rows = [f"{i}" for i in range(100)]
    found = run(rows=rows, system="be brief", finish_reason_column="why", tokens_column="n", temperature=0.5, top_p=0.9, seed=3)
    assert answers(found) == [f"answer to say {row}" for row in rows] and not found.failed
    assert set(answers(found, "why")) == {"stop"} and set(answers(found, "n")) == {2}
    body = server.calls[0].body
    assert body["messages"][0] == {"role": "system", "content": "be brief"}
    assert body["messages"][1]["role"] == "user" and body["model"] == "tiny"
    assert (body["max_tokens"], body["temperature"], body["top_p"]) == (1000, 0.5, 0.9) and "top_k" not in body
    seeds = {call.prompts[0]: call.body["seed"] for call in server.calls}
    assert len(set(seeds.values())) == 100, "a seed is that of the content of the row"
    (used,) = found.used
    assert (used.requests, used.retries, used.output_tokens, used.cost) == (100, 0, 200, None)


def test_without_a_chat_template_the_prompt_is_completed(run: Run, server: EndpointServer) -> None:
    assert answers(run(chat_template=False)) == [f"answer to say {text}" for text in "abc"]
    assert {call.request.path for call in server.calls} == {"/v1/completions"} and server.calls[0].body["prompt"]


def test_the_only_model_of_a_server_needs_no_name(run: Run, server: EndpointServer) -> None:
    run(endpoint={"model": None})
    assert {call.body["model"] for call in server.calls} == {"tiny"}
    server.models = ("a", "b")
    with pytest.raises(InvalidJob, match=r"has 2 models\. Set `model` to one of them: a, b"):
        run(endpoint={"model": None})


FAILED_ROWS: list[tuple[Behavior, str]] = [
    (refusing(400, "context_length_exceeded", "This model supports 8192 tokens"), "400 context_length_exceeded: This model"),
    (refusing(413, "request_too_large"), "413 request_too_large"),
    (refusing(422, "invalid_value"), "422 invalid_value"),
    (saying('{"detail": "bad field"}', 422), "422: bad field"),
    (saying('{"error": "a bare text"}', 400), "400: a bare text"),
    (saying("plain text", 400, "text/plain"), "400: plain text"),
    (refusing(414), "414"),
    (refusing(431), "431"),
    (refusing(500, "bug", headers={"x-should-retry": "false"}), "500 bug"),
    (refusing(400, "content_filter"), "400 content_filter"),
    (refusing(403, "content_policy_violation"), "403 content_policy_violation"),
    (saying('{"error": {"code": 400, "type": "BadRequestError", "message": "no"}}', 400), "400 BadRequestError: no"),
    (choice(finish_reason="content_filter"), "content filter"),
    (choice(finish_reason="tool_calls"), "did not finish its answer (finish_reason tool_calls)"),
    (choice(content=None), "the answer has no text"),
    (choice(content=None, finish_reason="length"), "used all tokens to reason: increase `maxNewTokens`"),
    (choice(refusal="I cannot help with that"), "the model refused to answer: I cannot help"),
]


@pytest.mark.parametrize(("behavior", "reason"), FAILED_ROWS, ids=[reason for _, reason in FAILED_ROWS])
def test_a_refused_row_fails_alone_and_is_not_repeated(
    run: Run, server: EndpointServer, behavior: Behavior, reason: str
) -> None:
    server.refuse = lambda call: behavior if call.prompts == ["say b"] else None
    found = run()
    assert list(found.failed) == [1] and reason in _plain(found.failed[1])
    assert answers(found)[::2] == ["answer to say a", "answer to say c"] and len(server.calls) == 3


def _plain(text: str) -> str:
    return text.replace("\x02", "").replace("\x03", "")


def test_the_message_of_a_server_is_private(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: refusing(400, "bad", f"your prompt was {call.prompts}, your key {KEY}")
    reason = run(rows=["x"]).failed[0]
    assert public(reason) == "the endpoint refused the request: 400 bad"
    assert "your prompt was ['say x'], your key ***" in _plain(reason)


TEMPORARY: list[tuple[str, Behavior]] = [
    ("429", refusing(429, "rate_limit_exceeded")),
    ("429 with retry-after-ms", refusing(429, headers={"retry-after-ms": "20"})),
    ("503 with Retry-After", refusing(503, headers={"Retry-After": "0"})),
    ("408", refusing(408)),
    ("409", refusing(409)),
    ("500", refusing(500)),
    ("502 with the page of a proxy", saying("<html><h1>502 Bad Gateway</h1></html>", 502, "text/html")),
    ("529", refusing(529)),
    ("424", refusing(424)),
    ("499", refusing(499)),
    ("520 of a proxy", saying("<html>520</html>", 520, "text/html")),
    ("524 of a proxy", saying("<html>524</html>", 524, "text/html")),
    ("a provider that failed within the answer", choice(finish_reason="error")),
    ("200 with the error of a limit", saying('{"error": {"message": "slow down", "code": 429}}')),
    ("200 with an error", saying('{"error": {"message": "upstream", "code": 502}}')),
    ("200 with a page of a proxy", saying("<html>sign in</html>", kind="text/html")),
    ("connection closed in the body", closing),
    ("not JSON", saying('{"choices": [')),
    ("not UTF-8", saying(b'{"choices": "\xff"}')),
    ("deep JSON", saying("[" * 100_000)),
    ("empty", saying("")),
    ("a list", saying("[]")),
    ("no choices", changed(lambda body: {"id": "1"})),
    ("two choices", changed(lambda body: body["choices"].append(body["choices"][0]))),
    ("no finish_reason", choice(finish_reason=None)),
    ("no message", choice(message=None)),
    ("a number as content", choice(content=5)),
    ("half a surrogate pair", choice(content="\ud83d")),
    ("400 that should be repeated", refusing(400, headers={"x-should-retry": "true"})),
]


@pytest.mark.parametrize("behavior", [each for _, each in TEMPORARY], ids=[name for name, _ in TEMPORARY])
def test_a_temporary_error_is_repeated_until_there_is_an_answer(run: Run, server: EndpointServer, behavior: Behavior) -> None:
    server.script.extend([behavior, behavior])
    found = run()
    assert not found.failed and answers(found) == [f"answer to say {text}" for text in "abc"]
    assert len(server.calls) == 5 and found.used[0].retries == 2 and found.used[0].requests == 5


@pytest.mark.parametrize("behavior", [hanging, dripping], ids=["no reply", "a reply without an end"])
def test_a_request_that_takes_too_long_is_repeated(run: Run, server: EndpointServer, behavior: Behavior) -> None:
    server.script.append(behavior)
    found = run(endpoint={"timeoutSeconds": 1})
    assert not found.failed and len(server.calls) >= 4  # more if another answer took longer, too


def test_a_reply_without_an_end_does_not_fill_the_memory(
    run: Run, server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_REPLY", 4 << 20)
    server.script.append(huge)
    assert not run().failed and len(server.calls) == 4


@pytest.mark.parametrize("behavior", [refusing(500), choice(finish_reason=None), closing], ids=["500", "malformed", "closed"])
def test_a_row_that_always_fails_does_not_stop_the_others(run: Run, server: EndpointServer, behavior: Behavior) -> None:
    server.refuse = lambda call: behavior if call.prompts == ["say b"] else None
    found = run(rows=["a", "b", "c", *map(str, range(40))], endpoint={"concurrency": 2})
    assert list(found.failed) == [1] and "6 times" in found.failed[1]
    assert found.used[0].requests == 42 + 6


JOB_ERRORS: list[tuple[Behavior, str]] = [
    (
        refusing(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"),
        "rejects the API key in the environment variable TEST",
    ),
    (refusing(403), "rejects the API key"),
    (refusing(403, "model_not_allowed"), "has no model tiny for this key"),
    (saying("<html>blocked</html>", 403, "text/html"), "a firewall blocks the requests (403, a web page instead of JSON)"),
    (saying('{"error": {"message": "no", "code": 401}}'), "rejects the API key"),
    (refusing(407), "407"),
    (refusing(410), "410"),
    (saying("", 415, "text/plain"), "accepts no request (415)"),
    (saying("", 451, "text/plain"), "accepts no request (451)"),
    (saying("", 501, "text/plain"), "501"),
    (refusing(402), "no quota left"),
    (refusing(429, "insufficient_quota"), "429 insufficient_quota"),
    (refusing(404, "model_not_found"), "has no model tiny for this key, or no such path"),
    (refusing(405), "405"),
    (saying("", 404, "text/plain"), "404"),
    (saying("", 308, "text/plain"), "308, a redirect"),
]


@pytest.mark.parametrize(("behavior", "message"), JOB_ERRORS, ids=[message for _, message in JOB_ERRORS])
def test_an_error_that_concerns_all_rows_ends_the_job(
    run: Run, server: EndpointServer, behavior: Behavior, message: str
) -> None:
    server.refuse = lambda call: behavior
    with pytest.raises(InvalidJob) as caught:
        run(rows=[str(i) for i in range(200)])
    assert message in str(caught.value) and KEY not in str(caught.value) and caught.value.exit_code == 2
    assert len(server.calls) < 100


def test_the_key_is_not_sent_to_the_target_of_a_redirect(run: Run, server: EndpointServer) -> None:
    with endpoint_server() as other:
        server.refuse = lambda call: refusing(307, headers={"Location": f"{other.url}/chat/completions"})
        with pytest.raises(InvalidJob, match="a redirect to http"):
            run()
        assert not other.calls


def test_an_endpoint_that_never_answers_is_unavailable(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: refusing(503, "model_loading")
    with pytest.raises(EndpointUnavailable, match=r"has not answered for 0\.3 seconds: 503 model_loading") as caught:
        run(endpoint={"retrySeconds": 0.3})
    assert caught.value.exit_code == 11


def test_an_endpoint_without_a_server_is_unavailable(run: Run) -> None:
    with pytest.raises(EndpointUnavailable, match="the connection failed"):
        run(endpoint={"url": "http://127.0.0.1:1/v1", "retrySeconds": 0.2})


def test_after_an_error_of_the_job_the_engine_accepts_new_rows(server: EndpointServer) -> None:
    step = TextGeneration(prompt="{text}", endpoint={"url": server.url, "model": "m", "keyFrom": {"env": "TEST_ENDPOINT_KEY"}})
    engine = step.setup(Device("cpu"))
    server.script.append(refusing(401))
    with pytest.raises(InvalidJob):
        step.infer(Batch(pa.table({"text": ["a"]})), engine)
    assert answers(step.infer(Batch(pa.table({"text": ["a"]})), engine)) == ["answer to a"]
    engine.close()


def test_newer_models_get_the_limit_of_tokens_under_its_newer_name(run: Run, server: EndpointServer) -> None:
    unsupported = refusing(400, "unsupported_parameter", param="max_tokens")
    server.refuse = lambda call: unsupported if "max_tokens" in call.body else None
    found = run(rows=[str(i) for i in range(50)])
    assert not found.failed and server.calls[-1].body["max_completion_tokens"] == 1000


def test_empty_prompts_are_not_sent(run: Run, server: EndpointServer) -> None:
    assert run(rows=["", "x"], prompt="{text}").failed == {0: "the prompt is empty"} and len(server.calls) == 1
    assert run(Embed, rows=[" ", "x", None]).failed == {0: "the text is empty", 2: "the row has no text"}


def test_cancelled_requests_end_at_once(server: EndpointServer) -> None:
    step = TextGeneration(prompt="{text}", endpoint={"url": server.url, "model": "m", "keyFrom": {"env": "TEST_ENDPOINT_KEY"}})
    engine: Any = step.setup(Device("cpu"))
    server.refuse = lambda call: hanging
    ended: list[Exception] = []

    def ask() -> None:
        try:
            step.infer(Batch(pa.table({"text": list("abcdefghijklmnopqrstuvwxyz")})), engine)
        except Exception as error:  # noqa: BLE001
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    deadline = time.monotonic() + 240
    while len(server.calls) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    engine.cancel([thread.ident])
    thread.join(240)
    assert not thread.is_alive() and len(ended) == 1
    engine.close()


def test_prices_make_a_cost(run: Run) -> None:
    (used,) = run(endpoint={"price": {"input": 1_000_000, "output": 10_000_000}}).used
    assert used.cost == 3 * 5 + 3 * 2 * 10


def test_a_server_that_counts_no_tokens_leaves_them_unknown(run: Run, server: EndpointServer) -> None:
    server.refuse = lambda call: changed(lambda body: body.pop("usage") and None)
    assert answers(run(tokens_column="n"), "n") == [None, None, None]


def test_no_key_and_no_prompt_is_in_what_describes_the_step(server: EndpointServer) -> None:
    step = TextGeneration(prompt="{text}", endpoint={"url": server.url, "model": "m", "keyFrom": {"env": "TEST_ENDPOINT_KEY"}})
    engine = step.setup(Device("cpu"))
    shown = json.dumps([step.loads(), step.identity(), engine.description, repr(vars(engine))])
    assert KEY not in shown and not re.search("Bearer", shown)
    engine.close()
