"""The report page."""

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datajob.api.report import Histogram, Measure, Output, Progress, Report, Sample, StepReport, Threshold, WorkerReport
from datajob.engine.report.charts import place_of
from datajob.engine.report.page import render
from tests.support.browser import show

HOSTILE = "<script>document.title='taken'</script><img src=https://example.com/x.png onerror=alert(1)>\"'&"


def report(**changes: Any) -> Report:
    """A finished run with data for every section."""
    steps = (
        StepReport(name="read", rows_in=100_000, rows_out=100_000, seconds=1.5),
        StepReport(
            name="gopherQuality",
            rows_in=100_000,
            rows_out=79_990,
            rejected={"gopher_short_doc": 15_000, "gopher_below_alpha_threshold": 5_000},
            failed=10,
            seconds=20.25,
        ),
        StepReport(name="exactDedup", rows_in=79_990, rows_out=70_000, rejected={"duplicate": 9_990}, seconds=3),
        StepReport(name="write", rows_in=70_000, rows_out=70_000, seconds=2),
    )
    values: dict[str, Any] = {
        "name": "clean-web",
        "state": "complete",
        "started": "2026-03-04T10:11:12.345Z",
        "finished": "2026-03-04T10:14:02Z",
        "seconds": 60.0,
        "startup_seconds": 10.0,
        "version": "1.2.3",
        "input_bytes": 500_000_000,
        "input_files": 64,
        "progress": Progress(
            rows_in=100_000, rows_out=70_000, rows_rejected=29_990, rows_failed=10, shards_done=40, shards_total=40, percent=100
        ),
        "steps": steps,
        "output": Output(manifest="s3://lake/clean/_datajob/manifest.json", files=40, bytes=300_000_000, rows=70_000),
        "histograms": (Histogram(column="text", unit="bytes", read=(1, 7, 50, 900), written=(0, 0, 10, 800)),),
        "samples": (
            Sample(step="write", row={"text": "描述这张图片的内容。"}),
            Sample(step="gopherQuality", reason="gopher_short_doc", row={"text": HOSTILE}),
        ),
    }
    return Report(**(values | changes))


def measure(**changes: Any) -> Measure:
    """Words of texts; the job rejects texts with less than 80."""
    limit = {"parameter": "minWords", "side": "min", "limit": 80, "rejected": 137, "default": 50, "default_rejected": 68}
    values: dict[str, Any] = {
        "step": "analyze",
        "of": "gopherQuality",
        "in_job": True,
        "name": "words",
        "rows": 990,
        "missing": 10,
        "lowest": 0,
        "highest": 5000,
        "quantiles": {"p1": 19, "p5": 40, "p25": 128, "p50": 270, "p75": 740, "p95": 2560, "p99": 4064},
        "edges": (10, 100, 1000, 4600),
        "counts": (100, 600, 280),
        "thresholds": (Threshold(**limit, suggested=19, suggested_rejected=8),),
    }
    return Measure(**(values | changes))


def worker(**changes: Any) -> WorkerReport:
    """A process that processed 30 rows in 20 seconds; its model was busy for 15 of them."""
    values: dict[str, Any] = {
        "name": "host/17",
        "device": "gpu",
        "models": ("transformers 5.0: llava-hf/llama3-llava-next-8b-hf at 0123abcd, float16 on cuda",),
        "rows": 30,
        "busy_seconds": 15.0,
        "first": "2026-03-04T10:11:20.000Z",
        "last": "2026-03-04T10:11:40.000Z",
    }
    return WorkerReport(**(values | changes))


def bare(state: str = "running") -> Report:
    return Report(name="empty", state=state, started="2026-03-04T10:11:12Z", version="1.2.3")  # type: ignore[arg-type]


class _Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong order."""

    void = frozenset({"meta", "link", "wbr", "br", "rect", "line"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.add(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag, tag


def tags(page: str) -> set[str]:
    """The tags of a page, which must be balanced."""
    parser = _Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser.seen


def text_of(page: str) -> str:
    """The visible text, on one line."""
    without_style = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<wbr>", "", without_style).translate({60: " <", 62: "> "}).split())


SIZES = {
    "a finished run": report(),
    "a run without rows": bare(),
    "a failed run": report(state="failed", message="the disk is full", output=None),
    "sixty steps": report(steps=tuple(StepReport(name=f"step-{i}", rows_in=60 - i, rows_out=59 - i) for i in range(60))),
    "a step that adds rows": report(steps=(StepReport(name="explode", rows_in=10, rows_out=1000),)),
    "measures": report(measures=(measure(), measure(of=HOSTILE, name=HOSTILE, in_job=False), measure(step="analyze-2"))),
    "models": report(workers=(worker(), worker(name=HOSTILE, rows=0, last="2026-03-04T10:11:20.000Z")), model_outputs_reused=7),
    "a billion rows": report(steps=(StepReport(name="read", rows_in=10**10, rows_out=10**10, seconds=1e6),)),
}


@pytest.mark.parametrize("run", SIZES.values(), ids=list(SIZES))
def test_a_page_is_well_formed_and_has_no_scripts_and_no_urls(run: Report) -> None:
    page = render(run)
    assert not tags(page) & {"script", "img", "iframe", "object", "form"}
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "url(" not in page and "@import" not in page
    assert "default-src 'none'" in page


def test_the_page_shows_the_key_metrics() -> None:
    page = text_of(render(report()))
    for figure in (
        "100,000",
        "70,000",
        "29,990",
        "30.0%",
        "10.0 MB/s",
        "2,000 rows/s",
        "64 files, 500 MB",
        "300 MB",
        "40 files",
    ):
        assert figure in page, figure


def test_reasons_are_listed_below_their_step_most_frequent_first() -> None:
    page = render(report()).replace("<wbr>", "")
    places = [page.index(f"<code>{name}</code>", page.index("Why rows")) for name in
              ("gopherQuality", "gopher_short_doc", "gopher_below_alpha_threshold", "exactDedup", "duplicate")]  # fmt: skip
    assert places == sorted(places)


def test_measures_have_percentiles_and_the_share_that_each_limit_rejects() -> None:
    page = text_of(render(report(measures=(measure(),))))
    assert re.search(r"p1 .*? 19 .*? p50 .*? 270 .*? p99 .*? 4,064", page)
    assert re.search(r"minWords: 80 .*? rejects .*? 13.7% .*? default 50 \(6.8%\) · suggested 19 \(0.8%\)", page)


def test_model_workers_are_listed_with_device_rows_busy_share_and_throughput() -> None:
    page = text_of(render(report(workers=(worker(),), model_outputs_reused=7)))
    assert re.search(r"host/17 .*? gpu .*? 30 .*? 75.0% .*? 1.5 ", page)
    assert "llama3-llava-next-8b-hf at 0123abcd, float16 on cuda" in page
    assert "Model outputs of 7 rows were reused" in page
    assert "Model workers" not in render(report())


def test_filters_of_the_job_are_expanded_and_others_are_collapsed() -> None:
    page = render(report(measures=(measure(), measure(of="textLength", in_job=False))))
    assert re.search(r"<details open><summary><code>gopherQuality</code>", page)
    assert re.search(r"<details><summary><code>textLength</code>", page)


@pytest.mark.parametrize(("value", "place"), [(5, 0), (10, 0), (55, 1 / 6), (1000, 2 / 3), (4600, 1), (9999, 1)])
def test_a_value_is_placed_in_its_bin(value: float, place: float) -> None:
    assert place_of(value, measure().edges) == pytest.approx(place)


def test_the_reason_of_a_failure_comes_first() -> None:
    page = render(report(state="failed", message="the <disk> is full"))
    assert page.index("the &lt;disk&gt; is full") < page.index("Rows read")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_text_from_the_data_never_becomes_markup(value: str, name: str, reason: str) -> None:
    run = bare().model_copy(
        update={
            "name": name,
            "steps": (StepReport(name=name, rows_in=2, rejected={reason: 1}),),
            "samples": (Sample(step=name, reason=reason, row={name: value}),),
        }
    )
    assert tags(render(run)) <= tags(render(report()))


@pytest.mark.browser
@pytest.mark.parametrize("run", SIZES.values(), ids=list(SIZES))
def test_a_browser_renders_the_page_without_requests_and_without_warnings(run: Report, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(run), encoding="utf-8")
    shown = show(page)
    assert shown.console == ""
    assert shown.requests in ((), (page.as_uri(),))
    assert f"<title>{run.name} – DataJob report</title>" in shown.dom
    for figure in (run.progress.rows_in, run.progress.rows_out, run.progress.rows_rejected):
        assert f'<dd class="value">{figure:,}</dd>' in shown.dom


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 760, 1200])
def test_a_page_is_no_wider_than_its_window(width: int, tmp_path: Path) -> None:
    inner = escape(render(SIZES["a billion rows"]))
    measure = "document.title = frame.contentDocument.documentElement.scrollWidth"
    page = tmp_path / "frame.html"
    page.write_text(f'<iframe id="frame" width="{width}" frameborder="0" onload="{measure}" srcdoc="{inner}"></iframe>')
    found = re.search(r"<title>(\d+)</title>", show(page).dom)
    assert found and int(found[1]) <= width
