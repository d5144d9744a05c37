"""`datajob analyze` prints tables or JSON and writes nothing to the sink."""

import json
from pathlib import Path

import pytest

from tests.support.console import DataJobCommand

STEPS = "spec.steps=[{textLength: {min: 5}}, {wordCount: {min: 2}}]"


def analyze(datajob: DataJobCommand, job: Path, *more: str):
    return datajob("analyze", "--executor", "local", "--set", STEPS, str(job), *more)


def test_measures_and_limits_are_printed_as_tables_and_nothing_is_written(datajob: DataJobCommand, job: Path) -> None:
    ended = analyze(datajob, job)
    assert ended.code == 0, ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert ["Measure", "p1", "p5", "p25", "p50", "p75", "p95", "p99"] in lines
    assert ["text_length", "2", "2", "4", "9", "10", "10", "10"] in lines
    assert ["min", "5", "33.3%", "1", "0%", "2", "0%"] in lines
    assert ["minWords", "of", "words", "50", "100%", "0", "0%"] not in lines
    assert ended.out.startswith("tidy: measured 6 rows.")
    assert not (job.parent / "out").exists()


def test_json_contains_every_measure(datajob: DataJobCommand, job: Path) -> None:
    found = json.loads(analyze(datajob, job, "-q", "-o", "json", "--measure", "digitRatio", "--numbers", "id").out)
    assert [(m["of"], m["inJob"]) for m in found["measures"]] == [
        ("textLength", True),
        ("wordCount", True),
        ("digitRatio", False),
        ("columns", False),
    ]
    assert found["measures"][0]["thresholds"][0]["rejected"] == 2


def test_the_report_is_kept_in_the_given_folder(datajob: DataJobCommand, job: Path) -> None:
    ended = analyze(datajob, job, "--out", f"{job.parent}/found", "--html", f"{job.parent}/page.html", "--after", "textLength")
    assert ended.code == 0, ended.err
    for page in (job.parent / "found/_datajob/report.html", job.parent / "page.html"):
        assert "<h2>Measures</h2>" in page.read_text()
    assert "measured 4 rows" in ended.out and f"Report  {job.parent}/found/_datajob/report.html" in ended.out


def test_a_folder_with_data_is_not_modified(datajob: DataJobCommand, job: Path) -> None:
    ended = analyze(datajob, job, "--out", f"{job.parent}/in/")
    assert ended.code in (2, 4) and (job.parent / "in/rows.parquet").exists()


ERRORS = {
    "an unknown step": (("--after", "textlength"), 2, "no step textlength"),
    "a column that is not there": (("--column", "body"), 2, "`body`"),
    "an operator that measures nothing": (("--measure", "exactDedup"), 2, "exactDedup"),
    "a sample of nothing": (("--sample", "0"), 2, "--sample"),
    "a cluster without a folder": (("--ray-address", "auto"), 2, "--out"),
    "numbers that are texts": (("--numbers", "text"), 3, "not numbers"),
}


@pytest.mark.parametrize(("more", "code", "named"), ERRORS.values(), ids=list(ERRORS))
def test_an_error_has_its_exit_code(datajob: DataJobCommand, job: Path, more: tuple[str, ...], code: int, named: str) -> None:
    ended = analyze(datajob, job, *more)
    assert (ended.code, ended.out) == (code, "")
    assert named in ended.err and "Traceback" not in ended.err
