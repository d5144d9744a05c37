"""Images from permitted hosts, and every known way to reach another one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from datajob.serving.addresses import is_public
from datajob.serving.downloads import Downloads
from datajob.serving.openai.errors import ApiError
from tests.support.tls import contexts

HOSTS = ("images.example", "other.example")
LIMIT = 100_000
Script = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ssl.SSLContext, ssl.SSLContext]]:
    """The contexts of the server and of the client."""
    yield contexts(tmp_path_factory.mktemp("tls"), *HOSTS)


async def reply(writer: asyncio.StreamWriter, status: str, body: bytes = b"", **headers: str) -> None:
    """Send a whole reply."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)


def download(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
    url: str,
    script: Script,
    addresses: dict[str, list[str]] | None = None,
    **options: Any,
) -> tuple[bytes | ApiError, list[str], list[str]]:
    """What a download returns or raises, the paths that the server received, and the names that were resolved."""
    paths: list[str] = []
    resolved: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            paths.append(head.split()[1])
            assert "host: images.example" in head.lower() or "host: other.example" in head.lower()
            assert "cookie" not in head.lower() and "authorization" not in head.lower()
            await script(paths[-1], writer)
            await writer.drain()
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass

    async def resolver(host: str, port: int) -> list[str]:
        resolved.append(host)
        return (addresses or {}).get(host, ["127.0.0.1"])

    async def run() -> bytes | ApiError:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls[0])
        port = server.sockets[0].getsockname()[1]
        permitted = options.pop("permitted", lambda address: address == "127.0.0.1")
        downloads = Downloads(HOSTS[:1], resolver, permitted, tls[1], port, **options)
        try:
            return await downloads(url, LIMIT)
        except ApiError as error:
            return error
        finally:
            server.close()

    return asyncio.run(run()), paths, resolved


async def image(path: str, writer: asyncio.StreamWriter) -> None:
    """An image for every path."""
    await reply(writer, "200 OK", b"image")


def test_an_image_of_a_permitted_host_is_downloaded(tls: Any) -> None:
    assert download(tls, "https://images.example/a.png?b=c", image) == (b"image", ["/a.png?b=c"], ["images.example"])


@pytest.mark.parametrize(
    "url",
    [
        "http://images.example/a",
        "https://other.example/a",
        "https://images.example.evil.test/a",
        "https://sub.images.example/a",
        "https://images.example./a",
        "https://images.example:8443/a",
        "https://images.example:0443x/a",
        "https://user@images.example/a",
        "https://images.example@other.example/a",
        "https://other.example#@images.example/a",
        "https://images.example\\@other.example/a",
        "https://images.example\r\nHost: other.example/a",
        "https://images.example/a b",
        "https://ımages.example/a",
        "https://127.0.0.1/a",
        "https://2130706433/a",
        "https://0x7f000001/a",
        "https://0177.0.0.1/a",
        "https://[::1]/a",
        "https://[::ffff:127.0.0.1]/a",
        "https://[/a",
        "https:///a",
        "https://images.example/" + "a" * 9000,
        "file:///etc/passwd",
        "ftp://images.example/a",
        "s3://images.example/a",
        "gopher://images.example/a",
    ],
)
def test_an_address_of_another_form_or_host_is_refused_without_a_connection(tls: Any, url: str) -> None:
    found, paths, resolved = download(tls, url, image)
    assert isinstance(found, ApiError) and (found.status, found.code) == (400, "invalid_image_url")
    assert not paths and not resolved


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::",
        "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "127.0.0.1 ", "0x7f.1", "2130706433", "", "localhost",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_not_contacted(tls: Any, address: str) -> None:
    assert not is_public(address)
    found, paths, _ = download(tls, "https://images.example/a", image, {"images.example": [address]}, permitted=is_public)
    assert isinstance(found, ApiError) and "public address" in found.message and not paths


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert is_public(address)


def test_one_internal_address_among_several_is_enough_to_refuse_a_host(tls: Any) -> None:
    addresses = {"images.example": ["8.8.8.8", "10.0.0.1"]}
    found, *_ = download(tls, "https://images.example/a", image, addresses, permitted=is_public)
    assert isinstance(found, ApiError) and "public address" in found.message


def test_a_name_is_resolved_once_so_that_a_second_answer_has_no_effect(tls: Any) -> None:
    _, _, resolved = download(tls, "https://images.example/a", image)
    assert resolved == ["images.example"]


@pytest.mark.parametrize(
    "target",
    [
        "https://other.example/secret", "http://images.example/a", "https://127.0.0.1/a", "//other.example/a", "file:///etc/passwd",
        "https://images.example:22/a", "https://user:x@images.example/a", "https://169.254.169.254/latest/meta-data",
    ],
)  # fmt: skip
def test_the_target_of_a_redirect_is_checked(tls: Any, target: str) -> None:
    async def redirect(path: str, writer: asyncio.StreamWriter) -> None:
        await reply(writer, "302 Found", Location=target)

    found, paths, _ = download(tls, "https://images.example/start", redirect)
    assert isinstance(found, ApiError) and found.code == "invalid_image_url"
    assert paths == ["/start"]


def test_redirects_within_the_host_are_followed_three_times(tls: Any) -> None:
    async def count(path: str, writer: asyncio.StreamWriter) -> None:
        number = int(path[1:])
        await (reply(writer, "200 OK", b"image") if number == 3 else reply(writer, "307 Moved", Location=f"/{number + 1}"))

    assert download(tls, "https://images.example/0", count)[0] == b"image"
    found, paths, _ = download(tls, "https://images.example/-1", count)
    assert isinstance(found, ApiError) and "more than 3 times" in found.message and len(paths) == 4


def test_the_certificate_must_be_for_the_name_of_the_host(tls: Any, tmp_path: Path) -> None:
    server, client = contexts(tmp_path, "wrong.example")
    found, paths, _ = download((server, client), "https://images.example/a", image)
    assert isinstance(found, ApiError) and "certificate" in found.message and not paths


async def too_large(path: str, writer: asyncio.StreamWriter) -> None:
    """A reply that states its size."""
    await reply(writer, "200 OK", b"x" * (LIMIT + 1))


async def endless(path: str, writer: asyncio.StreamWriter) -> None:
    """A reply that does not state its size."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def drip(path: str, writer: asyncio.StreamWriter) -> None:
    """A reply that never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx")
    await writer.drain()
    await asyncio.sleep(600)


async def silent(path: str, writer: asyncio.StreamWriter) -> None:
    """No reply."""
    await asyncio.sleep(600)


async def cut(path: str, writer: asyncio.StreamWriter) -> None:
    """A reply that ends early."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


async def not_http(path: str, writer: asyncio.StreamWriter) -> None:
    """Bytes of another protocol."""
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


async def long_header(path: str, writer: asyncio.StreamWriter) -> None:
    """A header without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)


async def compressed(path: str, writer: asyncio.StreamWriter) -> None:
    """A compressed reply, which could expand without a limit."""
    await reply(writer, "200 OK", b"x", Content_Encoding="gzip")


async def missing(path: str, writer: asyncio.StreamWriter) -> None:
    """No such image."""
    await reply(writer, "404 Not Found", b"no")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (too_large, "larger than"), (endless, "larger than"), (drip, "within 1 seconds"), (silent, "within 1 seconds"),
        (cut, "not valid"), (not_http, "not valid"), (long_header, "not valid"), (compressed, "compressed"), (missing, "404"),
    ],
)  # fmt: skip
def test_a_reply_that_is_no_small_image_is_refused(tls: Any, script: Script, message: str) -> None:
    found, *_ = download(tls, "https://images.example/a", script, seconds=1.0 if script in (drip, silent) else 60.0)
    assert isinstance(found, ApiError) and found.status == 400 and message in found.message
    assert "images.example/a" not in found.message
