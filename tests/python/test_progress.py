"""The progress of a run on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from datajob.api.report import Progress, Report
from datajob.engine.events import Note, Progressed, Started
from datajob.python import progress
from datajob.python.progress import watching

REPORT = Report(
    name="tidy",
    state="running",
    started="2026-01-02T03:04:05Z",
    version="0",
    seconds=12.0,
    startup_seconds=2.0,
    input_bytes=400_000_000,
    progress=Progress(
        rows_in=1000,
        rows_out=700,
        rows_rejected=290,
        rows_failed=10,
        shards_done=3,
        shards_total=12,
        percent=25,
        eta_seconds=30,
    ),
)
FIGURES = "1,000 rows in, 700 out, 290 rejected, 10 failed, 10.0 MB/s, 3/12 shards"


def test_without_a_terminal_there_is_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with watching("tidy", quiet=False) as tell:
        tell(Started(stages=2, shards=12, input_files=1, input_bytes=400_000_000))
        tell(Progressed(REPORT))
        monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
        tell(Progressed(REPORT))
        tell(Note("A sentence."))
    assert capsys.readouterr().err.splitlines() == [
        "tidy: 1 file, 400 MB in 12 shards, 2 stages",
        f"tidy:  25%  {FIGURES}, 30 s left",
        "tidy: A sentence.",
    ]


def test_on_a_terminal_there_is_a_bar_with_counts() -> None:
    view = progress._LiveView("tidy")
    screen = io.StringIO()
    console = Console(file=screen, width=100, force_terminal=True, color_system=None)
    console.print(view.render())
    view.above = console.print
    view(Started(stages=2, shards=12, input_files=1, input_bytes=400_000_000))
    console.print(view.render())
    view(Progressed(REPORT))
    console.print(view.render())
    shown = screen.getvalue()
    assert "tidy: starting, 0 s" in shown
    assert "processing the first shard, 0 s" in shown
    assert "25%" in shown and "30 s left" in shown and FIGURES in shown


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with watching("tidy", quiet=True) as tell:
        tell(Started(1, 1, 1, 1))
    assert capsys.readouterr().err == ""
