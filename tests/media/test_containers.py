"""Containers that FFmpeg opens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from datajob.media.containers import container
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile

logs: Any = pytest.importorskip("av").logging


@pytest.fixture
def python_callback() -> Iterator[None]:
    """The log of FFmpeg calls Python, as libraries may configure it."""
    logs.set_level(logging.WARNING)
    assert messages() == [(logs.ERROR, "test", "message")]
    yield
    logs.set_level(None)


def messages() -> list[Any]:
    """What Python receives of a message in the log of FFmpeg."""
    with logs.Capture() as found:
        logs.log(logs.ERROR, "test", "message")
    return list(found)


@pytest.mark.usefixtures("python_callback")
def test_the_log_of_ffmpeg_does_not_call_python_while_it_reads() -> None:
    """A callback takes the lock of the interpreter, which a thread that waits for a decoder holds."""
    with pytest.raises(MediaError), container(MediaFile.of(b"not a container")):
        pass
    assert messages() == []
