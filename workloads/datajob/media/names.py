"""Names of files that steps write: that of the file before, the part that is meant, and the extension of the new format."""

from __future__ import annotations

from pathlib import PurePosixPath

from datajob.media.errors import MediaError
from datajob.media.references import Reference, TimeSpan, parse_reference
from datajob.media.signatures import ending_of

_SAME_FORMAT = (
    {".jpg", ".jpeg", ".jpe", ".jfif"},
    {".png"},
    {".webp"},
    {".tif", ".tiff"},
    {".gif"},
    {".bmp"},
    {".avif"},
    {".wav", ".wave"},
    {".flac"},
    {".ogg", ".oga", ".opus"},
    {".mp3"},
    {".aac"},
    {".mp4", ".m4v", ".m4a"},
    {".mov", ".qt"},
    {".mkv", ".webm", ".mka"},
    {".avi"},
)
_OTHERS = {".ts", ".m2ts", ".mts", ".heic", ".heif", ".3gp"}
_KNOWN = _OTHERS.union(*_SAME_FORMAT)


def new_name(path: str, data: bytes) -> str:
    """The name of a file with `data`, which a step made of the file or part at `path`."""
    try:
        reference = parse_reference(path)
    except MediaError:
        reference = Reference(path)
    return part_name(reference, ending_of(data))


def part_name(reference: Reference, ending: str) -> str:
    """The name without folder, the offset in an archive, and the times in milliseconds: `a-12500-20000.flac`.

    An extension that suits the format `ending` remains.
    """
    name = PurePosixPath(reference.path)
    suffix = name.suffix.lower()
    known = suffix in _KNOWN
    stem = name.stem if known or reference.byte_range else name.name
    same: set[str] = next((group for group in _SAME_FORMAT if ending in group), set())
    if known and (ending == ".bin" or suffix in same):
        ending = name.suffix
    elif ending == ".bin":  # an unknown format
        ending = ""
    numbers = [] if reference.byte_range is None else [str(reference.byte_range[0])]
    return "-".join([stem, *numbers, *milliseconds(reference.time_span)]) + ending


def milliseconds(span: TimeSpan | None) -> list[str]:
    """The start and, if there is one, the end of a part."""
    return [str(round(1000 * time)) for time in span or () if time is not None]
