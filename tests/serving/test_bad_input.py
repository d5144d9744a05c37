"""Bad requests: each has a status and a message in the format of OpenAI, and the next request is answered."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from datajob.api.service.spec import RequestLimits
from tests.support.chat_requests import CHAT, USER, chat, check_alive, data_url, png, tiff, with_image
from tests.support.serving import PATIENCE, Running, new_service, running

LIMITS = RequestLimits.model_validate(
    {"bodyMegabytes": 2, "images": 2, "imageMegabytes": 1, "imageMegapixels": 1, "outputTokens": 50}
)


@pytest.fixture(scope="module")
def small() -> Iterator[Running]:
    """A service with small limits."""
    with running(new_service(limits=LIMITS)) as found:
        yield found


DEEP = b'{"model":"test","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
SURROGATE = b'{"model":"test","messages":[{"role":"user","content":"\\ud800 a"}]}'
UNSUPPORTED, TOO_LONG = "unsupported_parameter", "context_length_exceeded"
URL = "messages[0].content[0].image_url.url"
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
MESSAGES: dict[str, Any] = {
    "no role": {"content": "a"},
    "unknown role": {"role": "boss", "content": "a"},
    "no content": {"role": "user"},
    "number as content": {"role": "user", "content": 5},
    "empty parts": {"role": "user", "content": []},
    "unknown part": {"role": "user", "content": [{"type": "smell"}]},
    "text part without text": {"role": "user", "content": [{"type": "text"}]},
    "unknown detail": {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,", "detail": "huge"}}]},
    "image without url": {"role": "user", "content": [{"type": "image_url", "image_url": "data:,"}]},
    "image of the assistant": {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},
    "unknown field": {"role": "user", "content": "a", "mood": "good"},
    "blank": {"role": "user", "content": "  "},
}
# name: (body, status, code, param, a part of the message)
CASES: dict[str, tuple[Any, int, str | None, str | None, str]] = {
    "not JSON": (b"hello", 400, "invalid_json", None, "not valid JSON"),
    "nothing": (b"", 400, "invalid_json", None, "not valid JSON"),
    "cut JSON": (b'{"model": "te', 400, "invalid_json", None, "not valid JSON"),
    "a list": (b"[]", 400, "invalid_json", None, "JSON object"),
    "not UTF-8": (b'{"model": "\xff"}', 400, "invalid_json", None, "not valid JSON"),
    "NaN": (b'{"model": "test", "temperature": NaN}', 400, "invalid_json", None, "not valid JSON"),
    "Infinity": (b'{"model": "test", "temperature": -Infinity}', 400, "invalid_json", None, "not valid JSON"),
    "number above all others": (
        b'{"model": "test", "messages": [{}], "temperature": 1e400}', 400, None, "temperature", "less than or equal to 2",
    ),
    "model twice": (b'{"model": "test", "model": "other"}', 400, "invalid_json", None, "`model` occurs twice"),
    "role twice": (
        b'{"messages": [{"role": "user", "content": "a", "role": "system"}]}', 400, "invalid_json", None, "`role` occurs twice",
    ),
    "integer of 5,000 digits": (b'{"model": "test", "seed": ' + b"9" * 5000 + b"}", 400, "invalid_json", None, "out of range"),
    "400,000 empty lists": (
        b'{"model": "test", "messages": [' + b"[]," * 400_000 + b"[]]}", 400, "invalid_json", None, "300,000 values",
    ),
    "byte order mark of UTF-16": ('{"model": "test"}'.encode("utf-16"), 400, "invalid_json", None, "not valid JSON"),
    "depth of 10,000": (DEEP, 400, "invalid_json", None, "recursion limit"),
    "surrogates": (SURROGATE, 400, "invalid_json", None, "hex escape"),
    "50 MB": (b"x" * 50_000_000, 413, "request_too_large", None, "2 MB"),
    "no model": ({"messages": USER}, 400, "missing_required_parameter", "model", "`model`"),
    "model is a number": (chat(model=5), 400, "missing_required_parameter", "model", "`model`"),
    "unknown model": (chat(model="gpt-9"), 404, "model_not_found", "model", "`gpt-9` does not exist"),
    "no messages": ({"model": "test"}, 400, "missing_required_parameter", "messages", "`messages`"),
    "empty messages": (chat(messages=[]), 400, None, "messages", "at least 1"),
    "messages are text": (chat(messages="hi"), 400, None, "messages", "list"),
    "unknown field": (chat(temprature=1), 400, "unknown_parameter", "temprature", "Did you mean `temperature`?"),
    "text as number": (chat(temperature="1"), 400, None, "temperature", "number"),
    "temperature too high": (chat(temperature=3), 400, None, "temperature", "less than or equal to 2"),
    "top_p above 1": (chat(top_p=1.1), 400, None, "top_p", "less than or equal to 1"),
    "n of 10,000": (chat(n=10_000), 400, None, "n", "at most 8"),
    "n of 0": (chat(n=0), 400, None, "n", "greater than or equal to 1"),
    "n as float": (chat(n=1.0), 400, None, "n", "integer"),
    "n of 2**40": (chat(n=2**40), 400, None, "n", "less than"),
    "temperature is true": (chat(temperature=True), 400, None, "temperature", "number"),
    "stream is 1": (chat(stream=1), 400, None, "stream", "boolean"),
    "stream is a text": (chat(stream="true"), 400, None, "stream", "boolean"),
    "tokens of 2**40": (chat(max_tokens=2**40), 400, None, "max_tokens", "less than"),
    "n is true": (chat(n=True), 400, None, "n", "integer"),
    "too many tokens": (chat(max_tokens=51), 400, None, "max_tokens", "at most 50"),
    "negative tokens": (chat(max_completion_tokens=-1), 400, None, "max_completion_tokens", "greater than"),
    "seed of 100 digits": (chat(seed=10**100), 400, None, "seed", "Invalid value"),
    "five stop texts": (chat(stop=list("abcde")), 400, None, "stop", "at most 4"),
    "1,000 stop texts": (chat(stop=["a"] * 1000), 400, None, "stop", "at most 4"),
    "empty text among stop texts": (chat(stop=["a", ""]), 400, None, "stop", "empty"),
    "stop of numbers": (chat(stop=[1]), 400, None, "stop", "none of its permitted types"),
    "empty stop text": (chat(stop=""), 400, None, "stop", "empty"),
    "long stop text": (chat(stop="x" * 100_000), 400, None, "stop", "65536"),
    "stream_options without stream": (chat(stream_options={"include_usage": True}), 400, None, "stream_options", "stream"),
    "top_logprobs alone": (chat(top_logprobs=2), 400, None, "top_logprobs", "logprobs"),
    "top_logprobs of 21": (chat(logprobs=True, top_logprobs=21), 400, None, "top_logprobs", "20"),
    "tools": (chat(tools=[{"type": "function"}]), 400, UNSUPPORTED, "tools", "not supported"),
    "tool_choice": (chat(tool_choice="required"), 400, UNSUPPORTED, "tool_choice", "not supported"),
    "logit_bias": (chat(logit_bias={"1": 5}), 400, UNSUPPORTED, "logit_bias", "not supported"),
    "logit_bias out of range": (chat(logit_bias={"99999999999": 5}), 400, UNSUPPORTED, "logit_bias", "not supported"),
    "functions": (chat(functions=[{"name": "f"}]), 400, UNSUPPORTED, "functions", "not supported"),
    "function_call": (chat(function_call={"name": "f"}), 400, UNSUPPORTED, "function_call", "not supported"),
    "40,000 parts": (
        chat(messages=[{"role": "user", "content": [{"type": "text", "text": ""}] * 40_000}]), 400, None, "messages", "10000",
    ),
    "image of the system": (
        chat(messages=[{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]), 400, None,
        "messages[0].content", "role `user`",
    ),
    "audio": (chat(modalities=["audio"]), 400, UNSUPPORTED, "modalities", "not supported"),
    "reasoning": (chat(reasoning_effort="high"), 400, UNSUPPORTED, "reasoning_effort", "not supported"),
    "JSON schema": (chat(response_format=SCHEMA), 400, UNSUPPORTED, "response_format", "engine"),
    "JSON": (chat(response_format={"type": "json_object"}), 400, UNSUPPORTED, "response_format", "engine"),
    "unknown format": (chat(response_format={"type": "xml"}), 400, None, "response_format.type", "json_schema"),
    "tool message": (chat(messages=[{"role": "tool", "content": "a"}]), 400, UNSUPPORTED, "messages[0].role", "Tool"),
    "prompt of 10,000 tokens": (
        chat(messages=[{"role": "user", "content": "a " * 10_000}]), 400, TOO_LONG, "messages", "10000 tokens",
    ),
    "prompt that is far too long": (
        chat(messages=[{"role": "user", "content": "a" * 1_500_000}]), 400, TOO_LONG, "messages", "4096 tokens",
    ),
    "image that is none": (with_image(data_url(b"no image")), 400, "invalid_image_format", URL, "JPEG"),
    "TIFF": (with_image(data_url(tiff())), 400, "invalid_image_format", URL, "JPEG"),
    "empty image": (with_image(data_url(b"")), 400, "invalid_image", URL, "empty"),
    "not base64": (with_image("data:image/png;base64,!!"), 400, "invalid_base64", URL, "base64"),
    "no comma": (with_image("data:image/png;base64"), 400, "invalid_image_url", URL, "comma"),
    "cut header": (with_image(data_url(png(9, 9)[:20])), 400, "invalid_image", URL, "cannot be used"),
    "cut pixels": (with_image(data_url(png(40, 40)[:-20])), 400, "invalid_image", "messages", "The image cannot be used"),
    "too few pixels": (with_image(data_url(png(90, 90))), 400, "invalid_image", "messages", "fewer pixels"),
    "pixel bomb": (with_image(data_url(png(60_000, 60_000))), 400, "image_too_large", URL, "60000 x 60000"),
    "large data URL": (with_image(data_url(b"x" * 1_200_000)), 400, "image_too_large", URL, "1 MB"),
    "base64 of the URL alphabet": (with_image("data:image/png;base64,-_-_"), 400, "invalid_base64", URL, "base64"),
    "base64 of an impossible length": (with_image("data:image/png;base64,AAAAA"), 400, "invalid_base64", URL, "base64"),
    "text instead of base64": (with_image("data:image/svg+xml,%3Csvg/%3E"), 400, "invalid_image_format", URL, "JPEG"),
    "not ASCII": (with_image("data:image/png;base64,é"), 400, "invalid_base64", URL, "base64"),
    "web address": (with_image("https://example.com/a.png"), 400, "invalid_image_url", URL, "data URL"),
    "file": (with_image("file:///etc/passwd"), 400, "invalid_image_url", URL, "data URL"),
    "path": (with_image("/etc/passwd"), 400, "invalid_image_url", URL, "data URL"),
    "S3": (with_image("s3://bucket/a.png"), 400, "invalid_image_url", URL, "data URL"),
    "three images": (
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(png(9, 9, 9))}}] * 3}]),
        400, "too_many_images", "messages", "permits 2",
    ),
}  # fmt: skip


def check(found: tuple[int, dict[str, str], Any], status: int, code: str | None, param: str | None, message: str) -> None:
    """The reply is an error in the format of OpenAI."""
    error = found[2]["error"]
    assert (found[0], error["code"], error["param"]) == (status, code, param), error
    assert message in error["message"] and len(error["message"]) < 500
    assert error["type"] == (
        "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    )
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_request_is_refused_by_name(small: Running, name: str) -> None:
    body, *expected = CASES[name]
    check(small.post(CHAT, body), *expected)
    if isinstance(body, dict) and not {"stream", "stream_options"} & set(body):
        check(small.post(CHAT, {**body, "stream": True}), *expected)
    check_alive(small)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_bad_message_is_refused_by_name(small: Running, name: str) -> None:
    status, _, reply = small.post(CHAT, chat(messages=[MESSAGES[name]]))
    assert status == 400 and reply["error"]["param"].startswith("messages"), reply
    check_alive(small)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/unknown", 404, "unknown_url"), ("POST", "/", 404, "unknown_url"), ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"), ("POST", "/v1/chat/completions/", 404, "unknown_url"),
        ("POST", "/v1/audio/speech", 404, "unknown_url"), ("GET", "/docs", 404, "unknown_url"),
        ("GET", "/v1/models/x", 404, "model_not_found"),
        ("GET", "/v1/../etc/passwd", 404, "unknown_url"),
    ],
)  # fmt: skip
def test_an_unknown_path_or_method_has_an_error_in_the_same_format(
    small: Running, method: str, path: str, status: int, code: str
) -> None:
    sent = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    head, _, body = small.send(sent).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status and json.loads(body)["error"]["code"] == code


def request_head(**headers: str) -> bytes:
    """The start of a chat request."""
    lines = [f"POST {CHAT} HTTP/1.1", "Host: a", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "header", ["X-Long: " + "a" * 200_000, "Content-Length: -5", "Content-Length: 3\r\nContent-Length: 4", "no colon"]
)
def test_an_invalid_header_is_refused(small: Running, header: str) -> None:
    with socket.create_connection(("127.0.0.1", small.port), PATIENCE) as connection:
        reply = b""
        with contextlib.suppress(OSError):  # the server closes the connection before it has read everything
            connection.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: a\r\n{header}\r\n\r\n".encode())
            while part := connection.recv(65_536):
                reply += part
    assert not reply or b" 400 " in reply.split(b"\r\n")[0] or b" 431 " in reply.split(b"\r\n")[0]
    check_alive(small)


def test_requests_in_one_packet_are_answered_in_order(small: Running) -> None:
    sent = b"".join(
        request_head(Content_Length=str(len(body)), Connection=kind) + body
        for text, kind in (("a", "keep-alive"), ("b", "keep-alive"), ("c", "close"))
        for body in [json.dumps(chat(messages=[{"role": "user", "content": text}])).encode()]
    )
    assert re.findall(rb'"content":"(\w)"', small.send(sent)) == [b"a", b"b", b"c"]


def test_a_stated_length_is_not_trusted(small: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.serving.openai.body.DISCARD_SECONDS", 0.2)
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", small.port), PATIENCE) as connection:
        connection.sendall(request_head(Transfer_Encoding="chunked"))
        reply = b""
        try:
            for _ in range(50):
                connection.sendall(chunk)
        except OSError:  # the server stops reading
            pass
        connection.settimeout(PATIENCE)
        try:
            while part := connection.recv(65_536):
                reply += part
        except OSError:
            pass
    assert not reply or b" 413 " in reply.split(b"\r\n")[0]
    check_alive(small)


def test_a_body_that_never_ends_is_a_timeout(small: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.serving.application.READ_SECONDS", 0.2)
    reply = small.send(request_head(Content_Length="1000") + b'{"model"')
    assert b" 408 " in reply.split(b"\r\n")[0] and b"request_timeout" in reply
    check_alive(small)


def test_a_compressed_body_is_refused(small: Running) -> None:
    status, _, reply = small.post(CHAT, zlib.compress(b"{}"), {"Content-Encoding": "gzip"})
    assert status == 415 and "uncompressed" in reply["error"]["message"]
    check_alive(small)


@pytest.mark.parametrize("sent", [0, 5, 60])
def test_a_client_that_goes_away_while_it_sends_leaves_nothing(small: Running, sent: int) -> None:
    with socket.create_connection(("127.0.0.1", small.port), PATIENCE) as connection:
        connection.sendall(request_head(Content_Length="100000") + b"x" * sent)
    deadline = time.monotonic() + PATIENCE
    while small.service.admission.in_progress and time.monotonic() < deadline:
        time.sleep(0.01)
    check_alive(small)


def test_a_large_data_url_is_refused_without_echo(served: Running) -> None:
    status, _, reply = served.post(CHAT, with_image("data:image/png;base64," + "A" * 133_000_000))
    assert (status, reply["error"]["code"]) == (413, "request_too_large")
    assert len(json.dumps(reply)) < 500
    check_alive(served)
