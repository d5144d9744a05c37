"""cutMedia: write parts of videos as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from datajob.operators.media.video_steps import VideoMap

if TYPE_CHECKING:
    from datajob.operators.media.clips import Clip


class CutMedia(VideoMap):
    """Replace references to parts of videos (`#t=12.5,20`) by files that contain the part, with its audio.

    By default, packets are copied, which is fast and keeps the quality. A copied part must start with a key frame: with
    `keyFrame: before`, the file starts with the last one before the part, and so can contain frames of the scene before; with
    `after`, it starts with the first one in the part, and a part without one fails. A few frames can be missing at the end.

    `reencode: true` cuts at exact frames, and also encodes videos that are not parts. The codecs are VP9 (libvpx) and AV1
    (SVT-AV1), whose encoders are not under the GPL. The audio is copied, also then.

    Example:

        - cutMedia: {}
        - cutMedia: {reencode: true, codec: vp9, quality: 30}
    """

    reencode: bool = Field(default=False, description="Whether frames are encoded again, for cuts at exact frames.")
    key_frame: Literal["before", "after"] = Field(
        default="before", description="The key frame that copied parts start with: before or after the start of the part."
    )
    codec: Literal["vp9", "av1"] = Field(default="vp9", description="Codec of encoded videos.")
    quality: int = Field(default=31, ge=0, le=63, description="Constant quality of encoded videos (CRF); lower is better.")

    def change(self, clip: Clip) -> bytes | None:
        """The part as a file."""
        from datajob.media.video_cut import copied, encoded

        reading = clip.reading
        if self.reencode:
            return encoded(reading.file, reading.span, self.codec, self.quality, self.max_pixels)
        return None if reading.span is None else copied(reading.file, clip.facts, reading.span, self.key_frame)
