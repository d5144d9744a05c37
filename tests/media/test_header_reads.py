"""Headers of references: which parts of files are read, from local disks, the web and object stores."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from datajob.formats import media_files
from datajob.formats.folder import Folder
from datajob.media import isolation
from datajob.media.audio_facts import read_facts
from datajob.media.files import Lazy, MediaFile
from datajob.media.headers import parse
from datajob.media.image import read_header
from datajob.operators.audio.audio_duration import AudioDuration
from datajob.operators.base import Batch
from datajob.operators.image.aspect_ratio import AspectRatio
from datajob.operators.image.file_size import FileSize
from datajob.operators.image.media_info import MediaInfo
from datajob.operators.video.video_duration import VideoDuration
from tests.media.test_headers import FILES, SMALL, exif
from tests.support.pictures import encoded
from tests.support.sounds import file
from tests.support.videos import moving, video

MANY = 5_000_000
NOISE = np.random.default_rng(7).integers(0, 256, MANY, dtype=np.uint8).tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data


TIFF = exif(6).tobytes().removeprefix(b"Exif\0\0")
PNG = encoded(SMALL)
PIXELS = encoded(Image.frombytes("RGB", (1200, 1000), NOISE[:3_600_000]))
assert len(PIXELS) > 3_000_000
SEGMENTS = b"".join(b"\xff\xed" + struct.pack(">H", 50_002) + NOISE[at : at + 50_000] for at in range(0, MANY, 50_000))
JPEG = encoded(SMALL, "JPEG", exif=exif(6))
FAR = {
    "JPEG with 5 MB of segments": JPEG[:2] + SEGMENTS + JPEG[2:],
    "PNG with 5 MB of EXIF": PNG[:33] + chunk(b"eXIf", TIFF + NOISE) + PNG[33:],
    "PNG with EXIF after its pixels": PIXELS[:-12] + chunk(b"eXIf", TIFF) + PIXELS[-12:],
    "PNG with small chunks": PNG[:33] + b"".join(chunk(b"IDAT", NOISE[at : at + 8000]) for at in range(0, MANY, 8000))
    + chunk(b"eXIf", TIFF) + PNG[-12:],
    "WebP with EXIF after its pixels": b"RIFF" + struct.pack("<I", MANY + 1000) + b"WEBP"
    + webp_chunk(b"VP8X", b"\x08\0\0\0" + b"\x3f\0\0" + b"\x27\0\0") + webp_chunk(b"VP8 ", NOISE) + webp_chunk(b"EXIF", TIFF),
    "TIFF with its directory at the end": encoded(Image.frombytes("RGB", (1200, 1000), NOISE[:3_600_000]), "TIFF"),
    "BMP": encoded(Image.frombytes("RGB", (1200, 1000), NOISE[:3_600_000]), "BMP"),
}  # fmt: skip


class Counted(MediaFile):
    """Counts what is read of all files."""

    reads: ClassVar[list[int]] = []

    def __init__(self, read_at: Callable[[int, int], Any], *args: Any, **options: Any) -> None:
        def counting(offset: int, size: int) -> Any:
            self.reads.append(size)
            return read_at(offset, size)

        super().__init__(counting, *args, **options)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each read."""
    found: list[int] = []
    monkeypatch.setattr(Counted, "reads", found)
    monkeypatch.setattr(media_files, "MediaFile", Counted)
    return found


def counted(data: bytes, piece: int = 4096) -> tuple[MediaFile, list[int]]:
    """A file, and the size of each read of it."""
    sizes: list[int] = []

    def read_at(offset: int, size: int) -> bytes:
        sizes.append(size)
        return data[offset : offset + size]

    return MediaFile(read_at, len(data), piece), sizes


@pytest.mark.parametrize("name", [*FILES, *FAR])
@pytest.mark.parametrize("piece", [1, 4096])
def test_the_header_of_a_file_is_that_of_its_bytes(name: str, piece: int) -> None:
    data = {**FILES, **FAR}[name]
    assert parse(Lazy(counted(data, piece)[0])) == parse(data)
    assert read_header(counted(data, piece)[0]) == read_header(data)


@pytest.mark.parametrize("name", FAR)
def test_only_parts_of_a_large_file_are_read(name: str) -> None:
    file, sizes = counted(FAR[name])
    header = read_header(file)
    assert sum(sizes) < 500_000 < 3_000_000 < len(FAR[name])
    assert header.orientation == (1 if name.startswith(("TIFF", "BMP")) else 6)


def test_every_damaged_png_has_the_header_that_all_its_chunks_state() -> None:
    """The end of a large file is not guessed: names of chunks within the pixels, and bytes after the end, do not matter."""
    pixels = chunk(b"IDAT", NOISE[:200_000] + chunk(b"IDAT", b"x" * 30) + chunk(b"eXIf", TIFF) + NOISE[:100])
    for tail in (b"", b"more", b"IDAT"):
        assert read_header(counted(PNG[:33] + pixels + PNG[-12:] + tail)[0]).orientation == 1
    late = pixels + chunk(b"eXIf", TIFF) + chunk(b"tEXt", NOISE[:100_000])
    assert read_header(counted(PNG[:33] + late + PNG[-12:])[0]).orientation == 6


def mp3(tag: int) -> bytes:
    """An MP3 file of a second with a constant bit rate, behind a tag of a size."""
    size = bytes(tag >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + NOISE[:tag] + (b"\xff\xfb\x90\x00" + b"\0" * 413) * 3000


def test_a_large_tag_in_front_of_audio_is_not_read() -> None:
    data = mp3(MANY - 10_000)
    file, sizes = counted(data)
    assert read_facts(file) == read_facts(MediaFile.of(data)) and read_facts(file).sample_rate == 44_100
    assert sum(sizes) < 500_000


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    files: dict[str, bytes]
    requests: list[int]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        data = self.server.files[self.path.rpartition("/")[2]]
        first, _, last = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
        if first and "/ranges/" in self.path:
            part = data[int(first) : int(last) + 1 if last else None]
            self.send_response(206 if part else 416)
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        else:
            part = data
            self.send_response(200)
        self.server.requests.append(len(part))
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        with suppress(OSError):  # the client closes the connection when it has read what it needs
            self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.files = {
        "a.jpg": JPEG + NOISE, "far.png": FAR["PNG with EXIF after its pixels"],
        "b.tif": FAR["TIFF with its directory at the end"], "a.mp3": mp3(MANY - 10_000),
        "empty": b"", "tar": bytes(1536) + JPEG + NOISE,
    }  # fmt: skip
    server.requests = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


NAMES = ["a.jpg", "far.png", "b.tif", f"tar#bytes=1536,{len(JPEG) + MANY}"]
SIZES = [(40, 64), (1000, 1200), (1200, 1000), (40, 64)]


def sizes_of(folder: str) -> list[tuple[int, int]]:
    batch = Batch(pa.table({"image": NAMES}))
    table = MediaInfo(folder=folder).apply(batch)
    assert not batch.failures
    return list(zip(table.column("width").to_pylist(), table.column("height").to_pylist(), strict=True))


@pytest.mark.parametrize("kind", ["ranges", "whole"])
def test_headers_on_the_web_are_read_by_ranges_if_the_server_supports_them(web: _Server, kind: str) -> None:
    url = f"http://127.0.0.1:{web.server_address[1]}/{kind}"
    web.requests.clear()
    assert sizes_of(url) == SIZES
    if kind == "ranges":
        assert sum(web.requests) < 1_500_000
    batch = Batch(pa.table({"image": [*NAMES, "empty"]}))
    web.requests.clear()
    found = FileSize(folder=url).measures(batch)["file_size"]
    assert found[:4].tolist() == [len(JPEG) + MANY, len(web.files["far.png"]), len(web.files["b.tif"]), len(JPEG) + MANY]
    assert batch.failures[4].startswith("empty") if batch.failures else np.isnan(found[4])
    assert kind == "whole" or max(web.requests) <= 65_536
    sounds = Batch(pa.table({"audio": ["a.mp3"]}))
    web.requests.clear()
    assert AudioDuration(folder=url).measures(sounds)["duration"][0] == pytest.approx(3000 * 1152 / 44_100, rel=0.01)
    assert kind == "whole" or sum(web.requests) < 800_000


def test_local_headers_are_read_in_small_pieces(web: _Server, tmp_path: Path, reads: list[int]) -> None:
    for name, data in web.files.items():
        (tmp_path / name).write_bytes(data)
    assert sizes_of(str(tmp_path)) == SIZES
    assert sum(reads) < 200_000
    reads.clear()
    images = Batch(pa.table({"image": NAMES}))
    assert FileSize(folder=str(tmp_path)).measures(images)["file_size"][0] == len(JPEG) + MANY
    assert not reads
    assert AspectRatio(folder=str(tmp_path)).measures(images)["aspect_ratio"].tolist() == [w / h for w, h in SIZES]
    assert sum(reads) < 200_000


@pytest.mark.s3
def test_headers_on_s3_are_read_by_ranges(web: _Server, bucket: str, reads: list[int]) -> None:
    isolation.close()  # the child must have the environment of this test
    for name, data in web.files.items():
        Folder(bucket).write(name, data)
    assert sizes_of(bucket) == SIZES
    assert 0 < sum(reads) < 600_000
    reads.clear()
    assert FileSize(folder=bucket).measures(Batch(pa.table({"image": NAMES})))["file_size"][0] == len(JPEG) + MANY
    assert not reads


@pytest.mark.s3
def test_headers_of_audio_and_video_on_s3_are_read_by_ranges(bucket: str, reads: list[int]) -> None:
    isolation.close()
    Folder(bucket).write("a.wav", file(np.zeros((MANY // 2, 1), np.float32)))
    Folder(bucket).write("a.mp4", video(moving(20)) + b"\0\x4c\x4b\x40free" + NOISE[8:])
    sounds = Batch(pa.table({"audio": ["a.wav"]}))
    assert AudioDuration(folder=bucket).measures(sounds)["duration"][0] == pytest.approx(MANY / 2 / 16_000)
    videos = Batch(pa.table({"video": ["a.mp4"]}))
    assert VideoDuration(folder=bucket).measures(videos)["duration"][0] == pytest.approx(2)
    assert 0 < sum(reads) < 1_500_000
