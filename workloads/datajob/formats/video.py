"""Folders of video files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.errors import StorageUnavailable
from datajob.formats._columns import conform, with_file_columns
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord
from datajob.formats.binary_files import whole_file
from datajob.formats.media_files import open_file
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.isolation import run_isolated
from datajob.media.references import literal
from datajob.media.values import MediaValue, media_type
from datajob.media.video_facts import ffmpeg_facts, read_facts
from datajob.media.video_types import VideoFacts

if TYPE_CHECKING:
    import pyarrow as pa

_FACTS = {
    "width": "int32", "height": "int32", "fps": "float64", "frameCount": "int64", "duration": "float64",
    "rotation": "int32", "hasAudio": "bool_", "codec": "string",
}  # fmt: skip


class VideoReader(FileReader):
    """Video files (mp4, mov, mkv, webm, avi, ts), one row per file with its `video` and the values in its header.

    `video` has the `bytes` and the `path` of the file, as the feature Video of Hugging Face. Frames are not decoded: `width`
    and `height` (in pixels, as displayed), `fps`, `frameCount`, `duration` (in seconds), `rotation` (in degrees clockwise),
    `hasAudio` and `codec` (such as h264) come from the header, and are null if it does not state them. A file that is not a
    video is a failed row. By default, rows contain references, and steps read the parts of files that they need.
    """

    suffixes = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts")
    load: Literal["bytes", "reference"] = Field(
        default="reference",
        description="Content of the rows: references to the files, or their bytes. Steps read the parts of a file that they "
        "need, and the sink reads it completely, so the files must remain in place until the job has ended.",
    )

    def known_columns(self) -> tuple[str, ...]:
        """The columns of `schema`, without hive partitions."""
        return ("video", *_FACTS, *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`video`, `width`, `height`, `fps`, `frameCount`, `duration`, `rotation`, `hasAudio`, `codec`."""
        import pyarrow as pa

        facts = [(name, getattr(pa, kind)()) for name, kind in _FACTS.items()]
        return with_file_columns(pa.schema([("video", media_type()), *facts]), self, files)

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """`video` is a video."""
        return {"video": {"_type": "Video"}}

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row."""
        import pyarrow as pa

        path, size = fragment.file.path, fragment.file.size
        data = None
        if self.load == "bytes" and (data := whole_file(path, on_bad)) is None:
            return
        try:
            facts = _facts(path, data)
        except MediaError as error:
            on_bad("", f"{path}: {error.marked}")
            return
        video = pa.array([{"bytes": data, "path": literal(path, size)}], media_type())
        values = (
            facts.width, facts.height, facts.fps, facts.frame_count, facts.duration,
            facts.rotation, facts.has_audio, facts.codec,
        )  # fmt: skip
        columns = {
            name: pa.array([value], getattr(pa, kind)()) for (name, kind), value in zip(_FACTS.items(), values, strict=True)
        }
        yield conform(pa.table({"video": video, **columns}), schema, fragment, self)


def _facts(path: str, data: bytes | None) -> VideoFacts:
    """The facts of a file. The headers of some formats are read by FFmpeg, in the process that decodes media."""
    with MediaFile.of(data) if data is not None else open_file(MediaValue(path=path), header=True) as file:
        found = read_facts(file)
    if found is None:
        work, item = (_facts_of_file, path.encode()) if data is None else (_facts_of_bytes, data)
        [found] = run_isolated(work, [(item,)])
    if isinstance(found, (MediaError, StorageUnavailable)):
        raise found
    return found


def _facts_of_file(item: tuple[memoryview, ...]) -> VideoFacts:
    with open_file(MediaValue(path=bytes(item[0]).decode())) as file:
        return ffmpeg_facts(file)


def _facts_of_bytes(item: tuple[memoryview, ...]) -> VideoFacts:
    return ffmpeg_facts(MediaFile.of(item[0]))
