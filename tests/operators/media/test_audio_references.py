"""References to audio on the web: headers of several files at the same time, and samples by ranges."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from datajob.formats.media_files import STORE_PIECE
from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.audio.loudness import Loudness
from tests.support.sounds import file, measure, noise, reasons

TOGETHER = 4
"""Requests that the server answers at the same time only."""
LONG = file(np.tile(noise(10, rate=48_000, channels=2), (8, 1)), rate=48_000)
assert len(LONG) > 3 * STORE_PIECE


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        data = LONG if "long" in self.path else file(noise(3))
        if "together" in self.path:
            self.server.barrier.wait(300)
        asked = self.headers.get("Range")
        if asked and "whole" not in self.path:
            start, _, end = asked.removeprefix("bytes=").partition("-")
            part = data[int(start) : int(end) + 1 if end else None]
            self.server.sent.append(len(part))
            self._answer(206, part, {"Content-Range": f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}"})
        else:
            self.server.sent.append(len(data))
            self._answer(200, data, {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.barrier, server.sent = threading.Barrier(TOGETHER), []
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.barrier.abort()
    server.shutdown()
    thread.join()
    server.server_close()


def test_headers_of_several_files_are_read_at_the_same_time_and_in_order(web: Any) -> None:
    paths = [f"{web.url}/together/{number}.wav" for number in range(2 * TOGETHER)]
    assert reasons(AudioDuration(min=3, max=3), *paths) == [None] * len(paths)
    web.barrier.abort()
    mixed = [f"{web.url}/a.wav", f"{web.url}/long.wav", "/missing.wav", f"{web.url}/b.wav"]
    assert reasons(AudioDuration(max=10), *mixed) == [None, "duration_too_high", "notFound", None]


def test_a_long_file_is_decoded_by_ranges(web: Any) -> None:
    [local] = measure(Loudness(), LONG)
    assert measure(Loudness(), f"{web.url}/long.wav") == [local]
    assert max(web.sent) <= STORE_PIECE and len(web.sent) >= 3


def test_a_server_without_ranges_sends_the_whole_file(web: Any) -> None:
    assert measure(Loudness(), f"{web.url}/whole/long.wav") == measure(Loudness(), LONG)
