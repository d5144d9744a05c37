"""The report shows pictures of the media of example rows, instead of the number of their bytes."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datajob.api.report import Report, Sample
from datajob.engine.counts import tally
from datajob.engine.counts.pictures import pictures
from datajob.engine.counts.shown import shown
from datajob.engine.report.page import render
from datajob.engine.report.sections.samples import PICTURE
from datajob.media.values import media_type
from tests.support.browser import show
from tests.support.local_jobs import make_job, run
from tests.support.sounds import file, silence, sine
from tests.support.videos import moving, video


def png(color: int = 9, size: tuple[int, int] = (40, 20)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (color, 200, 90)).save(data, "PNG")
    return data.getvalue()


def test_each_value_that_is_media_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    values = [{"bytes": png(), "path": None}, {"path": f"{tmp_path}/a.png"}, {"path": "http://127.0.0.1:1/a.png"}, None]
    values += [{"path": "gone.png"}, {"bytes": b"\x89PNG\r\n", "path": "x"}]
    rows = pa.table(
        {
            "image": pa.array(values, media_type()),
            "list": pa.array([values * 2] * 6, pa.list_(media_type())),
            "png": pa.array([png(), None, b"", b"abc", png(), png()]),
            "text": ["x"] * 6,
        }
    )
    found = pictures(rows)
    assert [len(drawn.get("image", ())) for drawn in found] == [1, 1, 0, 0, 0, 0]
    assert [len(drawn.get("list", ())) for drawn in found] == [2] * 6
    assert [len(drawn.get("png", ())) for drawn in found] == [1, 0, 0, 0, 1, 1]
    assert all(PICTURE.fullmatch(uri) for drawn in found for uris in drawn.values() for uri in uris)
    assert [shown(rows.column("image"), i) for i in (0, 1, 3)] == [f"<{len(png())} bytes>", f"{tmp_path}/a.png", "None"]
    assert shown(rows.column("list"), 0).startswith(f"<{len(png())} bytes>, {tmp_path}/a.png, http://")


def test_paths_of_media_columns_and_parts_of_files_are_drawn(tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(file(np.concatenate([silence(1), sine(level=-3, seconds=1)]), "flac"))
    (tmp_path / "secret.txt").write_text("text")
    paths = ["a.flac#t=0,1", "a.flac#t=1.2,1.8", "../a.flac", "secret.txt", "gone.flac", None]
    rows = pa.table({"audio": paths, "text": [f"{tmp_path}/a.flac"] * 6})
    found = pictures(rows, {"audio": str(tmp_path)})
    assert [sorted(drawn) for drawn in found] == [["audio"], ["audio"], [], [], [], []]
    assert found[0]["audio"] != found[1]["audio"]
    assert pictures(rows, {"audio": None, "text": None})[0].keys() == {"text"}


@pytest.mark.browser
def test_the_browser_shows_waveforms_and_frames_of_parts(tmp_path: Path) -> None:
    """Columns of media are shown behind many others, also with the samples of rejected rows."""
    (tmp_path / "in").mkdir()
    (tmp_path / "a.flac").write_bytes(file(np.concatenate([silence(1), sine(level=-3, seconds=2)]), "flac"))
    (tmp_path / "a.mp4").write_bytes(video(moving(30)))
    rows: dict[str, Any] = {f"n{i}": range(2) for i in range(13)}
    rows["audio"] = ["a.flac#t=0,1", "a.flac#t=1,2"]
    rows["video"] = pa.array([{"bytes": None, "path": f"{tmp_path}/a.mp4#t=1,2"}] * 2, media_type())
    pq.write_table(pa.table(rows), tmp_path / "in" / "a.parquet")
    report = run(
        make_job(tmp_path / "in", tmp_path / "out", [{"loudness": {"folder": str(tmp_path), "min": -40, "max": None}}])
    )
    assert {(sample.step, *sorted(sample.pictures)) for sample in report.samples} == {
        ("write", "audio", "video"),
        ("loudness", "audio", "video"),
    }
    page = show(tmp_path / "out" / "_datajob" / "report.html")
    assert [page.dom.count(f'<img src="data:image/{kind}') for kind in ("jpeg", "svg")] == [2, 2]
    assert page.console == "" and page.requests == ()


def photos(tmp_path: Path) -> Any:
    (tmp_path / "in").mkdir()
    images = pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in range(12)], media_type())
    pq.write_table(pa.table({"image": images, "n": range(12)}), tmp_path / "in" / "a.parquet")
    return make_job(tmp_path / "in", tmp_path / "out", [{"filter": {"where": "n % 3 <> 0"}}])


def test_pictures_of_kept_and_rejected_rows_are_in_the_report(tmp_path: Path) -> None:
    report = run(photos(tmp_path))
    drawn = {(sample.step, len(sample.pictures["image"])) for sample in report.samples}
    assert drawn == {("write", 1), ("filter", 1)}
    page = (tmp_path / "out" / "_datajob" / "report.html").read_text()
    assert len(re.findall(r'<img src="data:image/jpeg;base64,[^"]+" alt="\d+\.png &lt;\d+ bytes&gt;">', page)) == 6


def test_the_pictures_of_a_report_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "PICTURE_CHARACTERS", 3000)
    report = run(photos(tmp_path))
    sizes = [len(uri) for sample in report.samples for uris in sample.pictures.values() for uri in uris]
    assert 0 < sum(sizes) <= 3000
    assert len(report.samples) == 6


def test_only_pictures_are_shown_and_everything_is_escaped() -> None:
    bad = (
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        'data:image/jpeg;base64,AA"onerror="x',
        "https://example.com/x.png",
    )
    row = {'<b>"': '"><script>alert(1)</script>'}
    good = "data:image/jpeg;base64,AAAA"
    sample = Sample(step="write", row=row, pictures={'<b>"': (*bad, good)})
    page = render(Report(name="x", state="complete", started="2026-03-04T10:11:12Z", version="1", samples=(sample,)))
    assert re.findall(r"<img [^>]*>", page) == [f'<img src="{good}" alt="&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;">']
    assert "<script" not in page


@pytest.mark.browser
def test_the_browser_shows_pictures_without_errors_and_requests(tmp_path: Path) -> None:
    run(photos(tmp_path))
    page = show(tmp_path / "out" / "_datajob" / "report.html")
    assert page.dom.count("<img ") == 6
    assert page.console == "" and page.requests == ()
