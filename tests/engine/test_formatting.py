"""Numbers as text."""

from typing import Any

import pytest

from datajob.api.report import Progress, Report
from datajob.engine.report.formatting import count, counted, duration, share, short, size, speed


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (count(1234567), "1,234,567"),
        (counted(1, "file"), "1 file"),
        (counted(1200, "row"), "1,200 rows"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(12_345), "12.3 kB"),
        (size(345_678_901), "346 MB"),
        (size(5e15), "5000 TB"),
        (duration(0), "0 s"),
        (duration(0.0), "0 s"),
        (duration(0.001), "< 0.01 s"),
        (duration(0.42), "0.42 s"),
        (duration(3), "3 s"),
        (duration(12.34), "12.3 s"),
        (duration(125.4), "2 min 5 s"),
        (duration(11_520), "3 h 12 min"),
        (share(1, 0), "–"),
        (share(0, 5), "0%"),
        (share(5, 5), "100%"),
        (share(1, 3), "33.3%"),
        (share(1, 10**6), "< 0.1%"),
        (share(10**6 - 1, 10**6), "> 99.9%"),
        (short(512), "512"),
        (short(4096), "4k"),
        (short(2**31), "2G"),
    ],
)
def test_numbers_are_formatted(said: str, text: str) -> None:
    assert said == text


def report(**values: Any) -> Report:
    progress = Progress(rows_in=1000, shards_done=10, shards_total=10, percent=100)
    return Report(name="a", state="complete", started="", version="0", input_bytes=10_000, progress=progress, **values)


def test_the_speed_excludes_startup_and_reused_shards() -> None:
    assert speed(report(seconds=12.0, startup_seconds=2.0)) == (1000.0, 100.0)
    assert speed(report(seconds=12.0, startup_seconds=2.0, shards_reused=5)) == (500.0, 50.0)


def test_there_is_no_speed_before_the_first_shard() -> None:
    assert speed(report(seconds=2.0, startup_seconds=2.0)) is None
