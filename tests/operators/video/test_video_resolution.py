"""videoResolution: the size of the displayed video."""

import pytest
from pydantic import ValidationError

from datajob.operators.video.video_resolution import VideoResolution
from tests.support.videos import batch, moving, reasons, video

KINDS = [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("avi", "mpeg4"), ("mpegts", "mpeg2video")]


@pytest.mark.parametrize(("kind", "codec"), KINDS)
def test_sides_are_those_of_the_header(kind: str, codec: str) -> None:
    found = VideoResolution().measures(batch([video(moving(12, 96, 64), kind, codec, fps=25)]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "shorter_side": [64], "longer_side": [96], "width": [96], "height": [64],
    }  # fmt: skip


@pytest.mark.parametrize(("rotation", "size"), [(90, (64, 96)), (180, (96, 64)), (270, (64, 96))])
@pytest.mark.parametrize("kind", ["mp4", "matroska"])
def test_sides_are_those_after_the_rotation(kind: str, rotation: int, size: tuple[int, int]) -> None:
    found = VideoResolution().measures(batch([video(moving(12, 96, 64), kind, rotation=rotation)]))
    assert (found["width"].tolist(), found["height"].tolist()) == ([size[0]], [size[1]])


def test_each_limit_has_a_reason() -> None:
    file = video(moving(5, 96, 64))
    limits = {"min_side": 65, "max_side": 95, "min_width": 97, "min_height": 65}
    found = [reasons(VideoResolution(**{"min_side": None, name: limit}), file)[0] for name, limit in limits.items()]
    assert found == ["shorter_side_too_low", "longer_side_too_high", "width_too_low", "height_too_low"]


def test_limits_that_exclude_everything_are_refused() -> None:
    with pytest.raises(ValidationError, match="larger than"):
        VideoResolution(min_side=500, max_side=400)
