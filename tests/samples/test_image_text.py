"""The sample that selects images by models and their texts, with tiny models, and its analysis."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datajob.api.loading import load
from datajob.engine.driver import run_job
from datajob.engine.options import RunOptions
from datajob.engine.plan.analysis import Analysis, analysis_job
from tests.samples.conftest import SAMPLES, Sample
from tests.support.local_jobs import make_job
from tests.support.models.plain_images import pictures

WORDS = ("temple in china", "a red flower", "a photo of a man", "a small dog and a cat", "bright green document")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Images with captions."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    images = [data for name, data in pictures().items() if name not in ("tiny", "narrow")]
    rows = {"image": images * 4, "caption": [WORDS[i % 5] for i in range(4 * len(images))]}
    pq.write_table(pa.table(rows), folder / "a.parquet")
    return folder


def test_image_text_keeps_the_best_pairs(clip: Path, classifier: Path, pairs: Path, tmp_path: Path, sample: Sample) -> None:
    overrides = [f"spec.sources[0].parquet.paths=[{pairs}]"]
    overrides += [f"spec.steps[3].nsfw.model={classifier}", "spec.steps[3].nsfw.max=1"]
    overrides += [f"spec.steps[4].clipSimilarity.model={clip}"]
    ran = sample("image-text.yaml", *overrides)
    rows = ran.rows()
    reached = next(step for step in ran.report.steps if step.name == "clipSimilarity-top").rows_in
    assert 0 < len(rows) == -(-reached * 3 // 10)
    assert {type(row["similarity"]) for row in rows} == {float}


def test_an_analysis_measures_scores_and_suggests_limits(clip: Path, classifier: Path, pairs: Path, tmp_path: Path) -> None:
    steps = [
        {"nsfw": {"model": str(classifier), "output": "nsfw"}},
        {"clipSimilarity": {"model": str(clip), "text": "caption", "min": 0.9}},
    ]
    pq.write_table(pa.table({"image": [b"broken"], "caption": ["temple"]}), pairs / "b.parquet")
    job = make_job(pairs, tmp_path / "out", steps)
    report = run_job(analysis_job(job, Analysis(), str(tmp_path / "found")), RunOptions(executor="local"))
    found = {measure.name: measure for measure in report.measures}
    assert set(found) == {"nsfw", "clip_similarity"}
    for measure in found.values():
        assert (measure.rows, measure.missing, measure.in_job) == (44, 1, True)
        assert measure.thresholds[0].suggested is not None
    assert found["clip_similarity"].thresholds[0].limit == 0.9
    assert found["clip_similarity"].thresholds[0].rejected > 0


def test_the_sample_is_valid() -> None:
    [job] = load(str(SAMPLES / "image-text.yaml"))
    assert job.metadata.name == "image-text"
