"""Embeddings and images of steps with an endpoint, against a real server."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from datajob.operators.inference.embed import Embed
from datajob.operators.inference.vision_language import VisionLanguage
from tests.support.endpoint_server import (
    Behavior,
    EndpointServer,
    changed,
    refusing,
)
from tests.support.endpoint_steps import Run, answers


def test_embeddings_are_requested_several_at_a_time_and_have_length_one(run: Run, server: EndpointServer) -> None:
    rows = ["x" * n for n in range(1, 101)]
    found = run(Embed, rows=rows, batch_rows=16, prefix="q: ")
    vectors = np.array(answers(found, "embedding"))
    expected = np.array([[n + 3, 3.0] for n in range(1, 101)])
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    assert [len(call.prompts) for call in server.calls] == [16] * 6 + [4] and found.used[0].requests == 7
    assert (found.used[0].input_tokens, found.used[0].output_tokens) == (sum(map(len, rows)) + 300, 0)


def _encoded(body: dict[str, Any]) -> None:
    for item in body["data"]:
        item["embedding"] = base64.b64encode(np.array(item["embedding"], "<f4").tobytes()).decode()
    body["data"].reverse()


def test_embeddings_in_base64_and_in_another_order_are_those_of_their_texts(run: Run, server: EndpointServer) -> None:
    plain = answers(run(Embed), "embedding")
    server.script.append(changed(_encoded))
    assert answers(run(Embed), "embedding") == plain


def _set(key: str, *values: Any) -> Behavior:
    def change(body: dict[str, Any]) -> None:
        for item, value in zip(body["data"], values, strict=False):
            item[key] = value

    return changed(change)


WRONG_EMBEDDINGS: list[tuple[str, Behavior]] = [
    ("too few", changed(lambda body: body["data"].pop())),
    ("too many", changed(lambda body: body["data"].append(body["data"][0]))),
    ("an index twice", _set("index", 0, 0)),
    ("no index", _set("index", None)),
    ("a boolean index", _set("index", False, True)),
    ("an index out of range", _set("index", 7)),
    ("no vector", _set("embedding", None)),
    ("an empty vector", _set("embedding", [])),
    ("a vector of zeros", _set("embedding", [0.0, 0.0])),
    ("not a number", _set("embedding", [float("nan"), 1.0])),
    ("infinite", _set("embedding", [1e400, 1.0])),
    ("a text in a vector", _set("embedding", ["1", 2.0])),
    ("a nested vector", _set("embedding", [[1.0], [2.0]])),
    ("several sizes", _set("embedding", [1.0, 2.0, 3.0])),
    ("other sizes than before", _set("embedding", *[[1.0, 2.0, 3.0]] * 3)),
    ("wrong base64", _set("embedding", "!!!")),
    ("base64 of half a number", _set("embedding", base64.b64encode(b"123").decode())),
]


@pytest.mark.parametrize("behavior", [each for _, each in WRONG_EMBEDDINGS], ids=[name for name, _ in WRONG_EMBEDDINGS])
def test_wrong_embeddings_are_requested_again(run: Run, server: EndpointServer, behavior: Behavior) -> None:
    server.refuse = lambda call: behavior if call.number == 1 else None
    found = run(Embed, rows=list("abcdef"), batch_rows=3, endpoint={"concurrency": 1})
    expected = np.array([1.0, 3.0]) / np.sqrt(10)
    np.testing.assert_allclose(np.array(answers(found, "embedding")), [expected] * 6, rtol=1e-6)
    assert not found.failed and len(server.calls) == 3


def test_a_text_that_a_server_refuses_does_not_fail_those_of_the_same_request(run: Run, server: EndpointServer) -> None:
    too_long = refusing(400, "context_length_exceeded")
    server.refuse = lambda call: too_long if "bad" in call.prompts else None
    found = run(Embed, rows=[*"abcdefg", "bad"], batch_rows=8)
    assert list(found.failed) == [7] and "context_length_exceeded" in found.failed[7]
    assert found.used[0].requests == len(server.calls) == 7  # 8, 4 + 4, 2 + 2, 1 + 1 texts


def _png(size: tuple[int, int] = (8, 6), mode: str = "RGB", kind: str = "PNG", **save: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(out, kind, **save)
    return out.getvalue()


def _sent(server: EndpointServer) -> list[str]:
    return [part["image_url"]["url"] for part in server.calls[-1].body["messages"][-1]["content"][:-1]]


def test_images_are_sent_as_they_are_and_before_the_text(run: Run, server: EndpointServer) -> None:
    files = [_png(), _png(kind="JPEG")]
    found = run(VisionLanguage, rows=pa.table({"image": [files], "text": ["a"]}))
    assert answers(found) == ["answer to say a"]
    assert _sent(server) == [
        f"data:image/{kind};base64,{base64.b64encode(file).decode()}" for kind, file in zip(("png", "jpeg"), files, strict=True)
    ]


def test_images_that_servers_could_decode_differently_are_sent_upright_as_rgb(run: Run, server: EndpointServer) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for file, size in (
        (_png(kind="JPEG", exif=turned), (6, 8)),
        (_png(mode="RGBA"), (8, 6)),
        (_png(kind="TIFF"), (8, 6)),
        (_png(mode="CMYK", kind="JPEG"), (8, 6)),
    ):
        run(VisionLanguage, rows=pa.table({"image": [file], "text": ["a"]}))
        (url,) = _sent(server)
        kind, _, content = url.partition(",")
        sent = Image.open(io.BytesIO(base64.b64decode(content)))
        assert (kind, sent.mode, sent.size) == ("data:image/png;base64", "RGB", size)


def test_a_damaged_image_fails_its_row_before_anything_is_sent(run: Run, server: EndpointServer) -> None:
    rows = pa.table(
        {"image": [_png(), _png(kind="JPEG", size=(64, 64))[:300], b"no image", None, _png((100, 100))], "text": list("abcde")}
    )
    found = run(VisionLanguage, rows=rows, max_pixels=5000)
    assert sorted(found.failed) == [1, 2, 3, 4] and len(server.calls) == 1
    assert all(found.failed[row] for row in found.failed)


def test_urls_of_images_are_sent_instead_of_their_content(run: Run, server: EndpointServer) -> None:
    rows = pa.table({"image": ["https://example.com/a.png", "b.png", "/etc/passwd"], "text": list("abc")})
    found = run(VisionLanguage, rows=rows, endpoint={"images": "url", "concurrency": 1}, image_folder="https://example.com/x")
    assert list(found.failed) == [2] and _sent(server) == ["https://example.com/x/b.png"]
    assert "`images: url` requires" in found.failed[2]
