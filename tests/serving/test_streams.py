"""Streams whose client, engine or server ends early, and what the service measures and logs."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from datajob.api.service.spec import KeyLimits, RequestLimits
from datajob.operators.inference._engines.serving import ModelFailed
from datajob.serving.keys import Keys
from tests.support.chat_requests import data_url, png
from tests.support.serving import PATIENCE, FakeServing, Running, new_service, running

LONG = {"model": "test", "messages": [{"role": "user", "content": "word " * 2000}], "max_tokens": 2000}
SHORT = {"model": "test", "messages": [{"role": "user", "content": "a b"}]}

BROKEN = data_url(png(90, 90))
"""An image whose pixels end early, which only its decoder finds out."""


@pytest.fixture
def slow() -> Iterator[Running]:
    """A service whose engine generates at most 100 tokens per second and answer, in two rows."""
    with running(new_service(FakeServing(slots=2, step_seconds=0.01))) as found:
        yield found


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_row(slow: Running, stream: bool) -> None:
    engine: Any = slow.service.engine
    body = json.dumps({**LONG, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connections = [socket.create_connection(("127.0.0.1", slow.port), PATIENCE) for _ in range(3)]
    for connection in connections:
        connection.sendall(head + body)
    until(lambda: engine.running == 2 and slow.service.admission.in_progress == 3)
    for connection in connections:
        connection.close()
    until(lambda: slow.service.admission.in_progress == 0)
    gone = engine.steps
    until(lambda: engine.running == 0)
    assert engine.steps - gone <= 2
    assert slow.post("/v1/chat/completions", SHORT)[0] == 200
    until(lambda: 'status="499"} 3.0' in slow.get("/metrics")[1])


def test_a_stream_that_waits_gets_comments_which_clients_ignore(slow: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first request occupies both rows, so the second one waits for longer than a proxy."""
    for module in ("connection", "generation"):
        monkeypatch.setattr(f"datajob.serving.{module}.COMMENT_SECONDS", 0.05)
    body = json.dumps({**SHORT, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    busy = slow.client().chat.completions.create(**LONG, n=2, stream=True)
    next(busy)
    with ThreadPoolExecutor(2) as pool:
        raw = pool.submit(slow.send, head + body)
        client = pool.submit(lambda: list(slow.client().chat.completions.create(**SHORT, stream=True)))
        until(lambda: slow.service.admission.in_progress == 3 and slow.service.admission.queue_age > 0.5)
        busy.close()
        content, chunks = raw.result(), client.result()
    assert content.count(b": wait\n\n") > 2 and content.index(b": wait") < content.index(b"data: ")
    assert b'"content":"a' in content and b"data: [DONE]\n\n" in content
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "a b"


def test_an_error_after_a_comment_is_an_event_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from openai import APIError

    monkeypatch.setattr("datajob.serving.generation.COMMENT_SECONDS", 0.0)
    content = [{"type": "image_url", "image_url": {"url": BROKEN}}]
    with running(new_service()) as found:
        stream = found.client().chat.completions.create(
            model="test", messages=[{"role": "user", "content": content}], stream=True
        )
        with pytest.raises(APIError, match="pixels"):
            list(stream)
        until(lambda: 'status="400"} 1.0' in found.get("/metrics")[1])
        assert found.service.admission.in_progress == 0


def test_an_engine_that_fails_within_a_stream_ends_it_with_an_error(slow: Running) -> None:
    from openai import APIError

    engine: Any = slow.service.engine
    stream = slow.client().chat.completions.create(**LONG, stream=True)
    next(stream)
    slow.loop.call_soon_threadsafe(engine.fail, ModelFailed("device lost"))
    with pytest.raises(APIError) as failed:
        list(stream)
    assert failed.value.code == "model_failed"
    status, headers, reply = slow.post("/v1/chat/completions", SHORT)
    assert (status, reply["error"]["code"]) == (503, "model_failed") and int(headers["retry-after"]) > 0
    assert slow.get("/healthz")[0] == 503
    until(lambda: slow.service.admission.in_progress == 0)


def test_a_defect_of_the_engine_is_an_error_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeServing):
        def measure(self, request: Any) -> int:
            raise KeyError(request.messages)

    with running(new_service(Broken())) as found:
        status, headers, reply = found.post("/v1/chat/completions", SHORT)
        assert (status, reply["error"]["code"], headers["x-should-retry"]) == (500, "internal_error", "false")
        assert "a b" not in json.dumps(reply) and "a b" not in caplog.text and "in measure" in caplog.text


def test_a_service_that_loads_its_model_says_when_to_come_back() -> None:
    service = new_service()
    engine, service.engine = service.engine, None
    with running(service) as found:
        status, headers, reply = found.post("/v1/chat/completions", SHORT)
        assert (status, reply["error"]["code"], headers["retry-after"]) == (503, "model_loading", "5")
        assert found.get("/healthz")[0] == 503
        assert engine is not None
        service.start(engine)
        assert found.post("/v1/chat/completions", SHORT)[0] == 200


def test_under_overload_replies_are_answers_or_well_formed_refusals(slow: Running) -> None:
    slow.service.set_limits(RequestLimits(concurrent_requests=4))
    body = {**LONG, "max_tokens": 20}
    together = Barrier(24, timeout=PATIENCE)

    def post(_: int) -> Any:
        together.wait()
        return slow.post("/v1/chat/completions", body)

    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(post, range(48)))
    assert {status for status, *_ in found} == {200, 429}
    for status, headers, reply in found:
        if status == 429:
            assert reply["error"]["code"] == "rate_limit_exceeded" and int(headers["retry-after"]) >= 1
        else:
            assert reply["usage"]["completion_tokens"] == 20
    until(lambda: slow.service.admission.in_progress == 0)
    assert 'datajob_service_rejected_total{model="test",reason="queue_full"}' in slow.get("/metrics")[1]


def test_metrics_count_requests_and_tokens() -> None:
    with running(new_service()) as found:
        assert found.post("/v1/chat/completions", SHORT)[0] == 200
        assert found.post("/v1/chat/completions", {**SHORT, "n": 0})[0] == 400
        text = found.get("/metrics")[1]
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    chat = 'key="anonymous",model="test",operation="chat.completions"'
    assert lines[f'datajob_service_requests_total{{{chat},status="200"}}'] == "1.0"
    assert lines[f'datajob_service_requests_total{{{chat},status="400"}}'] == "1.0"
    assert lines['datajob_service_prompt_tokens_total{key="anonymous",model="test"}'] == "2.0"
    assert lines['datajob_service_completion_tokens_total{key="anonymous",model="test"}'] == "2.0"
    assert lines['datajob_service_time_to_first_token_seconds_count{model="test"}'] == "1.0"
    assert lines['datajob_service_model_ready{model="test"}'] == "1.0"
    assert lines['datajob_service_requests_in_progress{model="test"}'] == "0.0"


def test_prompts_images_and_keys_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="datajob")
    caplog.set_level(logging.DEBUG, logger="uvicorn")
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,U0VDUkVU"}}
    bodies: list[Any] = [
        {**SHORT, "messages": [{"role": "user", "content": "SECRET"}]},
        {**SHORT, "messages": [{"role": "user", "content": "SECRET"}], "stream": True},
        {**SHORT, "messages": [{"role": "user", "content": "SECRET " * 9000}]},
        {**SHORT, "messages": [{"role": "user", "content": [image, {"type": "text", "text": "SECRET"}]}]},
        {**SHORT, "messages": [{"role": "SECRET", "content": "SECRET"}]},
        {**SHORT, "SECRET": "SECRET"},
        {**SHORT, "temperature": "SECRET"},
        {**SHORT, "model": "SECRET"},
        b"SECRET",
    ]
    with running(new_service()) as found:
        for body in bodies:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(data)}\r\n"
            found.send(f"{head}Authorization: Bearer SECRET\r\nConnection: close\r\n\r\n".encode() + data)
    assert "chat.completions" in caplog.text
    assert "SECRET" not in caplog.text and "U0VDUkVU" not in caplog.text


def test_a_client_that_does_not_read_its_reply_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.serving.connection.SEND_SECONDS", 0.2)
    body = json.dumps({**LONG, "n": 8, "stream": True, "logprobs": True, "top_logprobs": 20}).encode()  # a reply of 20 MB
    with running(new_service()) as found, socket.create_connection(("127.0.0.1", found.port), PATIENCE) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        until(lambda: 'status="499"} 1.0' in found.get("/metrics")[1])
        until(lambda: found.service.admission.in_progress == 0)
        assert found.post("/v1/chat/completions", SHORT)[0] == 200


def test_the_tokens_of_a_request_that_fails_are_returned_to_its_key(tmp_path: Any) -> None:
    (tmp_path / "k").write_text("sk")
    keys = Keys(tmp_path, {"k": KeyLimits.model_validate({"tokensPerMinute": 100})})
    broken = {**SHORT, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": BROKEN}}]}]}
    with running(new_service(access=keys)) as found:
        for _ in range(5):
            status, _, reply = found.post("/v1/chat/completions", {**broken, "max_tokens": 90}, {"Authorization": "Bearer sk"})
            assert status == 400, reply
        status, headers, _ = found.post("/v1/chat/completions", {**SHORT, "max_tokens": 90}, {"Authorization": "Bearer sk"})
    assert status == 200 and int(headers["x-ratelimit-limit-tokens"]) == 100


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_stream_that_was_sent_completely_is_counted_as_complete(connection: str) -> None:
    with running(new_service()) as found:
        client = found.client().with_options(default_headers={"Connection": connection})
        messages: Any = [{"role": "user", "content": "a b"}]
        *_, last = client.chat.completions.create(model="test", messages=messages, stream=True)
        assert last.choices[0].finish_reason == "stop"
        until(lambda: "datajob_service_requests_total{" in found.get("/metrics")[1])
        assert 'status="200"} 1.0' in found.get("/metrics")[1] and 'status="499"' not in found.get("/metrics")[1]
