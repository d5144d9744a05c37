"""The sample that captions a folder of images, unchanged except for the model."""

from pathlib import Path

from datajob.formats.json import JsonReader
from tests.samples.conftest import Sample


def test_caption_images_describes_each_photo(tiny: Path, sample: Sample) -> None:
    step = "spec.steps[0].llava"
    ran = sample("caption-images.yaml", f"{step}.model={tiny}", f"{step}.maxNewTokens=8")
    rows = ran.rows(reader=JsonReader)
    assert len(rows) == ran.report.progress.rows_out == 6
    assert all(row["caption"] and row["tokens"] == 8 and row["finish_reason"] == "length" for row in rows)
    assert "float32 on cpu" in ran.report.workers[0].models[0] or "float16 on cuda" in ran.report.workers[0].models[0]
