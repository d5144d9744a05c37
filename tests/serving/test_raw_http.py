"""Requests as raw bytes: ambiguous, slow, incomplete and numerous ones. The service answers the next request."""

from __future__ import annotations

import gzip
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from datajob.serving import protocol
from datajob.serving.openai import body as bodies
from tests.serving.test_streams import until
from tests.support.chat_requests import CHAT, chat, check_alive
from tests.support.serving import PATIENCE, Running, new_service, running

BODY = json.dumps(chat()).encode()
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
BOMB = gzip.compress(bytes(1 << 20))
SMUGGLED = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def alone() -> Iterator[Running]:
    """A service whose connections no other test uses."""
    with running(new_service()) as found:
        yield found


def request(*headers: str, line: str = f"POST {CHAT} HTTP/1.1", body: bytes = b"", close: bool = True) -> bytes:
    """A request; the server closes the connection after it."""
    return "\r\n".join([line, "Host: a", *headers, *(["Connection: close"] if close else []), "", ""]).encode() + body


def length(body: bytes = BODY) -> str:
    """The header with the length of a body."""
    return f"Content-Length: {len(body)}"


# name: (request, status, a part of the reply)
REQUESTS: dict[str, tuple[bytes, int, bytes]] = {
    "chunked": (request("Transfer-Encoding: chunked", body=CHUNKED), 200, b"a b c"),
    "two lengths": (request(length(), "Transfer-Encoding: chunked", body=CHUNKED), 400, b"both Content-Length"),
    "smuggled request": (
        request("Content-Length: 6", "Transfer-Encoding: chunked", body=SMUGGLED, close=False), 400, b"both Content-Length",
    ),
    "different lengths": (request("Content-Length: 3", "Content-Length: 4", body=BODY), 400, b"invalid_http"),
    "length with a sign": (request("Content-Length: +5", body=BODY), 400, b"invalid_http"),
    "unknown transfer encoding": (request("Transfer-Encoding: gzip", body=CHUNKED), 400, b"invalid_http"),
    "two transfer encodings": (request("Transfer-Encoding: chunked, identity", body=CHUNKED), 400, b"invalid_http"),
    "hidden transfer encoding": (request("Transfer-Encoding : chunked", body=CHUNKED), 400, b"invalid_http"),
    "chunk without a length": (request("Transfer-Encoding: chunked", body=b"zz\r\n"), 400, b"invalid_http"),
    "bare line feeds in a header": (b"GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n", 200, b"ok"),
    "header that continues": (request("X-A: b\r\n c", length(), body=BODY), 200, b"a b c"),
    "null in a header": (request("X-A: \0", length(), body=BODY), 400, b"invalid_http"),
    "no host": (f"POST {CHAT} HTTP/1.1\r\n\r\n".encode(), 400, b"invalid_http"),
    "HTTP/1.0": (request(length(), line=f"POST {CHAT} HTTP/1.0", body=BODY), 200, b"a b c"),
    "HTTP/2 without an upgrade": (b"PRI * HTTP/2.0\r\n\r\n", 505, b"invalid_http"),
    "HTTP/3.7": (request(length(), line=f"POST {CHAT} HTTP/3.7", body=BODY), 505, b"invalid_http"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400, b"invalid_http"),
    "absolute target": (request(length(), line=f"POST http://a{CHAT} HTTP/1.1", body=BODY), 200, b"a b c"),
    "absolute target without a path": (request(line="GET http://a HTTP/1.1"), 404, b"unknown_url"),
    "asterisk": (request(line="OPTIONS * HTTP/1.1"), 404, b"unknown_url"),
    "preflight of a browser": (
        request("Origin: http://b", "Access-Control-Request-Method: POST", line=f"OPTIONS {CHAT} HTTP/1.1"), 405, b"method_not",
    ),
    "head": (request(line="HEAD /healthz HTTP/1.1"), 200, b""),
    "head of a path for POST": (request(line=f"HEAD {CHAT} HTTP/1.1"), 405, b""),
    "CONNECT": (request(line="CONNECT b:443 HTTP/1.1"), 404, b"unknown_url"),
    "WebSocket": (request("Upgrade: websocket", "Connection: upgrade", line="GET /healthz HTTP/1.1"), 200, b"ok"),
    "encoded path": (request(length(), line="POST /v1/chat%2Fcompletions HTTP/1.1", body=BODY), 200, b"a b c"),
    "path with dots": (request(line="GET /v1/../../etc/passwd HTTP/1.1"), 404, b"unknown_url"),
    "target of 60 KB": (request(line=f"GET /{'a' * 60_000} HTTP/1.1"), 404, b"unknown_url"),
    "headers of 100 KB": (request("X-A: " + "a" * 100_000, length(), body=BODY), 431, b"invalid_http"),
    "10,000 headers": (request(*["A: b"] * 10_000, length(), body=BODY), 431, b"invalid_http"),
    "gzip bomb": (
        request("Content-Encoding: gzip", length(BOMB), body=BOMB), 415, b"gzip",
    ),
    "gzip that is none": (request("Content-Encoding: gzip", length(), body=BODY), 415, b"uncompressed"),
    "identity": (request("Content-Encoding: identity", length(), body=BODY), 200, b"a b c"),
    "permission to send a large body": (request("Expect: 100-continue", "Content-Length: 30000000"), 413, b"20 MB"),
}  # fmt: skip


def send(running: Running, data: bytes) -> bytes:
    """What the server answers before it closes the connection, also if it does so before it has read everything."""
    reply = b""
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as connection:
        try:
            connection.sendall(data)
            while part := connection.recv(65_536):
                reply += part
        except ConnectionError:
            pass
    return reply


@pytest.mark.parametrize("name", REQUESTS)
def test_a_raw_request_has_one_reply_with_its_status(served: Running, name: str) -> None:
    data, status, part = REQUESTS[name]
    reply = send(served, data)
    if not reply and len(data) > 65_536:
        return  # the connection was reset while the client was sending
    head, _, content = reply.partition(b"\r\n\r\n")
    found = int(head.split()[1])
    if status == 431 and found == 400:  # the parser has received a part of the headers that was too large
        found = 431
    assert found == status and part in content, reply
    assert reply.count(b"HTTP/1.1 ") == 1 and (not content or json.loads(content))
    check_alive(served)


def test_a_client_that_asks_for_permission_sends_its_body_after_it(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.port), PATIENCE) as connection:
        connection.sendall(request("Expect: 100-continue", length()))
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 ")
        connection.sendall(BODY)
        reply = b""
        while part := connection.recv(65_536):
            reply += part
    assert reply.startswith(b"HTTP/1.1 200 ") and b"a b c" in reply


def test_a_client_that_is_refused_gets_no_permission_to_send_its_body(alone: Running) -> None:
    alone.service.admission.draining = True
    reply = send(alone, request("Expect: 100-continue", length(), close=False))
    assert reply.startswith(b"HTTP/1.1 503 ") and b"connection: close" in reply.lower()


@pytest.mark.parametrize("sent", [b"", b"POST ", b"POST / HTTP/1.1\r\nHost: a\r\n"], ids=["nothing", "half a line", "no end"])
def test_headers_that_never_end_are_a_timeout(alone: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    reply = send(alone, sent)
    assert (
        reply.startswith(b"HTTP/1.1 408 ") and json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
    )
    check_alive(alone)


def dripped(connection: socket.socket, byte: bytes, until: bytes) -> bytes:
    """The reply to a byte that is sent again and again, as soon as the reply contains `until`."""
    connection.settimeout(0.02)
    reply = b""
    while until not in reply:
        try:
            connection.sendall(byte)
            reply += connection.recv(4096)
        except TimeoutError:
            continue
    return reply


def test_headers_that_arrive_byte_by_byte_are_a_timeout(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", alone.port), PATIENCE) as connection:
        connection.sendall(request("X-A: b", line="GET /healthz HTTP/1.1", close=False))  # a complete request before it
        reply = dripped(connection, b"G", until=b" 408 ")
    assert reply.startswith(b"HTTP/1.1 200 ")
    check_alive(alone)


def test_a_body_that_arrives_byte_by_byte_is_a_timeout(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datajob.serving.application.READ_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", alone.port), PATIENCE) as connection:
        connection.sendall(request("Content-Length: 100000"))
        reply = dripped(connection, b" ", until=b"HTTP/1.1 ")
    assert reply.startswith(b"HTTP/1.1 408 ")
    check_alive(alone)


def test_the_time_for_headers_ends_with_them(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    engine: Any = alone.service.engine
    engine._seconds = 0.2  # the answer takes longer than the headers may
    assert alone.post(CHAT, chat())[0] == 200


def test_a_connection_whose_client_reads_nothing_is_closed(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.5)
    long = json.dumps(chat(messages=[{"role": "user", "content": ("w" * 250 + " ") * 2000}], n=8, max_tokens=2000)).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", alone.port))
        connection.sendall(request(length(long), body=long))
        until(lambda: 'status="200"} 1.0' in alone.get("/metrics")[1])
        until(lambda: connections(alone) == 0)
    check_alive(alone)


def connections(running: Running) -> int:
    """The number of open connections of a server."""
    return len(running.server.server_state.connections)


def test_many_idle_connections_do_not_disturb_others(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "max_connections", lambda: 210)
    idle = [socket.create_connection(("127.0.0.1", alone.port), PATIENCE) for _ in range(200)]
    until(lambda: connections(alone) == 200)
    check_alive(alone)
    more = [socket.create_connection(("127.0.0.1", alone.port), PATIENCE) for _ in range(20)]
    refused = [connection.recv(4096) for connection in more[10:]]
    assert all(reply.startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1" in reply for reply in refused)
    for connection in [*idle, *more]:
        connection.close()
    until(lambda: connections(alone) == 0)
    check_alive(alone)


def test_keys_in_addresses_are_never_logged(alone: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for target in (f"{CHAT}?api_key=SECRET&key=SECRET", "/v1/SECRET?SECRET", f"http://user:SECRET@a{CHAT}?SECRET"):
        send(alone, request(length(), "api-key: SECRET", line=f"POST {target} HTTP/1.1", body=BODY))
    assert "chat.completions" in caplog.text and "SECRET" not in caplog.text


def test_a_refusal_is_sent_although_its_client_is_still_sending(alone: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "DISCARD_SECONDS", 0.2)
    alone.service.admission.draining = True
    reply = send(alone, request("Content-Length: 1000", body=b"x"))
    assert reply.startswith(b"HTTP/1.1 503 ")
