"""The sample that captions a folder of images, as it stands but for the model and the folders it writes."""

import json
from pathlib import Path

from workloads.api.loading import load
from workloads.engine.driver import run_job
from workloads.engine.options import RunOptions

ROOT = Path(__file__).parents[3]


def test_the_sample_captions_its_photos(tiny: Path, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(ROOT)
    job = load(str(ROOT / "manifests/samples/caption-images.yaml"))[0].model_dump(by_alias=True, exclude_unset=True)
    job["spec"]["steps"][0]["llava"] |= {"model": str(tiny), "maxNewTokens": 8}
    job["spec"]["sink"]["json"]["path"] = str(tmp_path / "captions")
    job["spec"]["errors"]["path"] = str(tmp_path / "bad")
    from workloads.api.datajob import DataJob

    report = run_job(DataJob.model_validate(job), RunOptions(executor="local"))
    assert report.progress.rows_out == 6
    assert "float32 on cpu" in report.workers[0].models[0] or "float16 on cuda" in report.workers[0].models[0]
    lines = [line for part in sorted((tmp_path / "captions").glob("*.json*")) for line in part.read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 6
    assert all(row["caption"] and row["tokens"] == 8 and row["finish_reason"] == "length" for row in rows)
