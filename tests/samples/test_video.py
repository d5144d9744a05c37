"""The sample that prepares videos for training, unchanged except for the model."""

import io
import json
from pathlib import Path

import av

from datajob.formats.webdataset import WebdatasetReader
from tests.samples.conftest import Sample


def test_video_captions_has_the_scenes_with_motion_and_their_captions(tiny: Path, sample: Sample) -> None:
    step = "spec.steps[6].llava"
    ran = sample("video-captions.yaml", f"{step}.model={tiny}", f"{step}.maxNewTokens=8")
    assert ran.rejected() == {"static_video_too_high": 1}
    rows = ran.rows(reader=WebdatasetReader)
    facts = [{**json.loads(row["json"]), **row} for row in rows]
    assert [(round(fact["start"]), round(fact["end"])) for fact in facts] == [(0, 3), (3, 6)]
    assert all(fact["caption"] and fact["motion"] > 0 and fact["sharpness"] > 5 for fact in facts)
    for row in rows:
        with av.open(io.BytesIO(row["mp4"])) as video:
            assert sum(1 for _ in video.decode(video=0)) == 36
