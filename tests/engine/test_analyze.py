"""Measures of a run: independent of shards, resumed runs and workers, and close to the exact values."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datajob.api.report import Measure
from datajob.engine.counts.sketch import WIDEST, Sketch
from datajob.engine.plan.analysis import Analysis, analysis_job
from datajob.engine.report.distributions import bin_edges, suggest
from datajob.errors import InputError, InvalidJob
from datajob.operators.registry import all_operators, filters_with_limits, modality
from tests.support.local_jobs import make_job, read_manifest, run, write_parts
from tests.support.pictures import PHOTOS, photo_bytes

WORDS = ["the", "house", "of", "sand", "and", "fog.", "#", "12", "...", "中文", "with", "words\n", "lines.\n\n"]
ROWS = 600
MODELS = {"aesthetics", "clipSimilarity", "nsfw", "watermark"}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hundred texts of up to three hundred words, and a score that some lack."""
    drawn = random.Random(5)
    rows = [
        {
            "id": i,
            "text": " ".join(drawn.choices(WORDS, k=int(drawn.lognormvariate(3.5, 1)))) if i % 50 else None,
            "score": drawn.gauss(0, 1) if i % 7 else None,
        }
        for i in range(ROWS)
    ]
    folder = tmp_path_factory.mktemp("texts")
    write_parts(folder, rows, 5)
    return folder


def found(measures: tuple[Measure, ...], of: str, name: str) -> Measure:
    [one] = [m for m in measures if (m.of, m.name) == (of, name)]
    return one


def test_measures_do_not_depend_on_how_the_input_is_cut(texts: Path, tmp_path: Path) -> None:
    steps = [{"analyze": {"columns": ["score"]}}, {"gopherQuality": {"minWords": 30}}]
    reports = [run(make_job(texts, tmp_path / str(size), steps), shard_bytes=size) for size in (1_000, 5_000, 1_000_000)]
    assert reports[0].progress.shards_total > reports[-1].progress.shards_total
    assert reports[0].measures == reports[1].measures == reports[2].measures
    assert len(reports[0].measures) > 30


def test_a_resumed_run_measures_every_row_once(texts: Path, tmp_path: Path) -> None:
    job = make_job(texts, tmp_path / "out", [{"analyze": {}}])
    whole = run(job, run_id="a")
    (tmp_path / "out/_datajob/run.json").write_text(
        (tmp_path / "out/_datajob/run.json").read_text().replace('"complete"', '"running"')
    )
    for record in sorted((tmp_path / "out/_datajob/commits").rglob("*.json"))[::2]:
        record.unlink()
    again = run(job, run_id="a")
    assert again.shards_reused > 0
    assert sorted(again.measures, key=repr) == sorted(whole.measures, key=repr)


def test_rows_pass_unchanged_and_are_measured_at_that_step(texts: Path, tmp_path: Path) -> None:
    steps = [{"analyze": {"measures": ["wordCount"]}}, {"wordCount": {"min": 40}}, {"analyze": {"measures": ["wordCount"]}}]
    report = run(make_job(texts, tmp_path / "out", [{"analyze": {}}]))
    assert report.progress.rows_out == ROWS
    assert [row["id"] for row in read_manifest(tmp_path / "out")] == list(range(ROWS))
    before, after = run(make_job(texts, tmp_path / "two", steps)).measures
    assert (before.step, after.step) == ("analyze", "analyze-2")
    assert (before.rows, after.lowest >= 40) == (ROWS, True)
    [limit, _] = before.thresholds
    assert (limit.parameter, limit.limit, limit.default) == ("min", 40, 1)
    assert before.rows - limit.rejected == after.rows


def test_the_rows_that_a_limit_rejects_are_those_that_the_filter_rejects(texts: Path, tmp_path: Path) -> None:
    steps = [{"analyze": {}}, {"textLength": {"min": 150, "max": 255}}]
    report = run(make_job(texts, tmp_path / "out", steps))
    rejects = {limit.side: limit.rejected for limit in found(report.measures, "textLength", "text_length").thresholds}
    rejected = report.steps[2].rejected
    assert rejects == {"min": rejected["text_length_too_low"], "max": rejected["text_length_too_high"]}


def test_numeric_columns_have_the_quantiles_of_their_values(texts: Path, tmp_path: Path) -> None:
    report = run(make_job(texts, tmp_path / "out", [{"analyze": {"columns": ["score"]}}]))
    scores = [row["score"] for row in read_manifest(tmp_path / "out") if row["score"] is not None]
    score = found(report.measures, "columns", "score")
    assert (score.rows, score.missing) == (len(scores), ROWS - len(scores))
    assert (score.lowest, score.highest) == (min(scores), max(scores))
    for name, share in (("p1", 0.01), ("p50", 0.5), ("p99", 0.99)):
        assert score.quantiles[name] == pytest.approx(np.quantile(scores, share, method="lower"), rel=WIDEST)
    assert sum(score.counts) >= 0.98 * len(scores)


def test_an_analysis_writes_only_a_report(texts: Path, tmp_path: Path) -> None:
    steps = [{"textLength": {"min": 100}}, {"wordCount": {"min": 30, "tokenizer": "whitespace"}}]
    job = make_job(texts, tmp_path / "out", steps, rejects={"path": str(tmp_path / "rejects")})
    report = run(analysis_job(job, Analysis(), str(tmp_path / "found")))
    assert (report.progress.rows_in, report.progress.rows_out) == (ROWS, 0)
    assert not (tmp_path / "out").exists() and not (tmp_path / "rejects").exists()
    assert not list((tmp_path / "found").rglob("*.parquet"))
    in_job = {measure.of: measure for measure in report.measures if measure.in_job}
    assert list(in_job) == ["textLength", "wordCount"]
    assert in_job["textLength"].rows == ROWS


def test_steps_up_to_the_given_one_run_first(texts: Path, tmp_path: Path) -> None:
    job = make_job(
        texts, tmp_path / "out", [{"textLength": {"min": 100}}, {"exactDedup": {"columns": ["text"]}}, {"wordCount": {}}]
    )
    wanted = Analysis(after="exactDedup", measures=("wordCount",))
    report = run(analysis_job(job, wanted, str(tmp_path / "found")))
    assert found(report.measures, "textLength", "text_length").lowest >= 100
    assert [step.name for step in report.steps][1:3] == ["textLength", "exactDedup"]
    with pytest.raises(InvalidJob, match=r"no step wordcount \(steps: textLength, exactDedup, wordCount\)"):
        analysis_job(job, replace(wanted, after="wordcount"), str(tmp_path / "found"))


def test_a_sample_is_a_share_of_the_rows(texts: Path, tmp_path: Path) -> None:
    report = run(analysis_job(make_job(texts, tmp_path / "out"), Analysis(sample=0.25), str(tmp_path / "found")))
    assert 90 < found(report.measures, "textLength", "text_length").rows < 210


def test_a_column_without_numbers_stops_the_run(texts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`text` contains string"):
        run(make_job(texts, tmp_path / "out", [{"analyze": {"columns": ["text"]}}]))


def sketch_of(*values: float) -> Sketch:
    sketch = Sketch()
    sketch.add(np.array(values, dtype=float))
    return sketch


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([3, 3, 3], (3, 4)),
        ([0, 1, 2, 5], tuple(range(7))),
        (np.linspace(0, 0.5, 500), (0, 0.5)),
        (np.linspace(-5, 7, 500), (-5, 7)),
        (np.arange(1, 5000), (1, 5000)),
        ([0.5, *range(2000)], (0, 2000)),
    ],
)
def test_bins_ascend_and_contain_all_values_but_the_ends(values: list[float], edges: tuple[float, ...]) -> None:
    sketch = sketch_of(*values)
    drawn = bin_edges(sketch)
    assert list(drawn) == sorted(set(drawn)) and len(drawn) <= 50
    assert drawn == edges if len(edges) > 2 or edges == (3, 4) else drawn[-1] <= edges[-1]
    assert sum(sketch.counts_between(drawn)) >= 0.97 * len(values)


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [
        (np.arange(0, 1001), 10, 990),
        (np.arange(0, 1001) / 1000, 0.0099, 0.99),
        ([0, 0, 0], 0, 0),
        (-np.arange(0, 1001), -990, -9.9),
        ([123_456], 120_000, 130_000),
    ],
)
def test_a_suggested_limit_has_two_digits_and_rejects_no_more_than_the_percentile(
    values: list[float], least: float, most: float
) -> None:
    sketch = sketch_of(*values)
    low, high = suggest(sketch, is_minimum=True), suggest(sketch, is_minimum=False)
    assert (low, high) == pytest.approx((least, most), rel=0.02)
    assert sketch.below(low) <= 0.01 * len(values) and sketch.above(high) <= 0.01 * len(values)


@pytest.mark.parametrize(
    ("steps", "measures", "expected"),
    [
        ([], ("sharpness",), {"sharpness"}),
        ([{"brightness": {"max": 0.9}}, {"faceArea": {}}], (), {"brightness", "face_area"}),
        ([{"brightness": {}}], ("aspectRatio",), {"brightness", "aspect_ratio"}),
    ],
)
def test_a_job_of_images_needs_no_text(steps: list[Any], measures: tuple[str, ...], expected: set[str], tmp_path: Path) -> None:
    write_parts(tmp_path / "in", [{"image": photo_bytes(name)} for name in PHOTOS], 1)
    job = analysis_job(
        make_job(tmp_path / "in", tmp_path / "out", steps), Analysis(measures=measures), str(tmp_path / "report")
    )
    rows = {measure.name: measure.rows for measure in run(job).measures}
    assert rows == dict.fromkeys(expected, len(PHOTOS))


def test_a_limit_is_suggested_for_every_measure_of_images(tmp_path: Path) -> None:
    keys = tuple(key for key in filters_with_limits() if modality(all_operators()[key]) == "image" and key not in MODELS)
    assert len(keys) >= 12
    write_parts(tmp_path / "in", [{"image": photo_bytes(name)} for name in PHOTOS], 1)
    steps = [{"entropy": {"min": 1}}, {"faceCount": {"max": 9}}]  # have no limits by default
    job = analysis_job(make_job(tmp_path / "in", tmp_path / "out", steps), Analysis(measures=keys), str(tmp_path / "report"))
    limits = [(measure.of, limit) for measure in run(job).measures for limit in measure.thresholds]
    assert {of for of, _ in limits} == set(keys)
    assert all(limit.suggested_rejected == 0 for _, limit in limits)
