"""Names of files that steps write."""

from __future__ import annotations

import pytest

from datajob.media.names import new_name

JPEG, PNG, FLAC, MP4 = b"\xff\xd8\xff", b"\x89PNG\r\n", b"fLaC", b"\0\0\0\x18ftypisom"
TS, WEBM = (b"\x47" + bytes(187)) * 4, b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm"


@pytest.mark.parametrize(("path", "data", "name"), [
    ("s3://lake/x/a.jpeg", JPEG, "a.jpeg"), ("a.JPG", JPEG, "a.JPG"), ("a.jpg", PNG, "a.png"), ("b/a.mp3", FLAC, "a.flac"),
    ("a.webm", WEBM, "a.webm"), ("a.ts", MP4, "a.mp4"), ("a", JPEG, "a.jpg"), ("Dr. Who", MP4, "Dr. Who.mp4"),
    ("a.ts#t=1.5,4", MP4, "a-1500-4000.mp4"), ("a.ts#t=4", MP4, "a-4000.mp4"), ("a%231.mp4#t=0,1", MP4, "a#1-0-1000.mp4"),
    ("b.tar#bytes=1536,20", FLAC, "b-1536.flac"), ("b.tar#bytes=1536,20&t=1,2", MP4, "b-1536-1000-2000.mp4"),
    ("a.mp4", b"unknown", "a.mp4"), ("b.tar#bytes=1536,20", b"unknown", "b-1536"), ("a.txt", b"unknown", "a.txt"),
    ("a.mp4#t=x", MP4, "a.mp4#t=x.mp4"), ("a.mkv", TS, "a.ts"), ("b.tar#bytes=8,9", WEBM, "b-8.webm"), ("a", TS[:200], "a"),
])  # fmt: skip
def test_a_new_file_has_the_extension_of_its_format_and_the_part_in_its_name(path: str, data: bytes, name: str) -> None:
    assert new_name(path, data) == name
