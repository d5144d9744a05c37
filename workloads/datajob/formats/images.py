"""Folders of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.formats._columns import conform, with_file_columns
from datajob.formats._media_folder import FolderWriter
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord
from datajob.formats.binary_files import LOAD_FIELD, Load, whole_file
from datajob.formats.media_files import open_file
from datajob.formats.storage import readable
from datajob.media.errors import MediaError
from datajob.media.headers import Header
from datajob.media.image import ImageError, read_header
from datajob.media.references import literal
from datajob.media.values import MediaValue, media_type
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa


IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


class ImagesReader(FileReader):
    """Image files, one row per file with its `image` and the values in its header.

    `image` has the `bytes` and the `path` of the file, as the feature Image of Hugging Face. Pixels are not decoded: `width`,
    `height` (in pixels, as displayed), `format` (such as JPEG), `mode` (such as RGB) and `frames` come from the header. A file
    that is not an image is a failed row.
    """

    suffixes = IMAGE_ENDINGS
    load: Load = LOAD_FIELD

    def known_columns(self) -> tuple[str, ...]:
        """The columns of `schema`, without hive partitions."""
        return ("image", *_FACTS, *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`image`, `width`, `height`, `format`, `mode`, `frames`."""
        import pyarrow as pa

        facts = [(name, getattr(pa, kind)()) for name, kind in _FACTS.items()]
        return with_file_columns(pa.schema([("image", media_type()), *facts]), self, files)

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """`image` is an image."""
        return {"image": {"_type": "Image"}}

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row."""
        import pyarrow as pa

        path, size = fragment.file.path, fragment.file.size
        reference = self.load == "reference"
        data = None if reference else whole_file(path, on_bad)
        if data is None and not reference:
            return
        try:
            header = _header_of(path) if data is None else read_header(data)
        except MediaError as error:
            on_bad("", f"{path}: {error.marked}")
            return
        if header.width * header.height > BOMB_PIXELS:
            bomb = f"{header.width} x {header.height} pixels are treated as a decompression bomb"
            on_bad("", f"{path}: {ImageError('tooManyPixels', bomb).marked}")
            return
        image = {"bytes": None if reference else data, "path": literal(path, size)}
        facts = {**header._asdict(), "width": header.upright[0], "height": header.upright[1]}
        columns = {name: pa.array([facts[name]], getattr(pa, kind)()) for name, kind in _FACTS.items()}
        yield conform(pa.table({"image": pa.array([image], media_type()), **columns}), schema, fragment, self)


def _header_of(path: str) -> Header:
    """The header of an image file, of which few parts are read. Raises MediaError, and InputError if it cannot be read."""
    with readable(path), open_file(MediaValue(path=path), header=True) as file:
        return read_header(file)


BOMB_PIXELS = 178_956_970
"""By default, Pillow does not open larger images."""
_FACTS = {"width": "int32", "height": "int32", "format": "string", "mode": "string", "frames": "int32"}


class ImagesWriter(FolderWriter):
    """Image files, with the other columns in `metadata.jsonl` in the same folder (the layout of Hugging Face ImageFolder).

    Each shard is a folder. For large numbers of images, prefer `parquet` or `webdataset`.
    """

    extension = (*IMAGE_ENDINGS, ".bin", ".jsonl")
    image: Column = Field(
        default="bytes",
        description="Column with encoded images, as bytes or as structs of `bytes` and `path`. They are written unchanged; "
        "files of references are copied. If it is not set and the rows have no column `bytes`, `image` is used.",
    )

    def for_columns(self, columns: Sequence[str]) -> ImagesWriter:
        """With the column of the source `images` if the default does not exist."""
        is_default = "image" not in self.model_fields_set and self.image not in columns
        return self.model_copy(update={"image": "image"}) if is_default and "image" in columns else self

    def media(self, columns: Sequence[str]) -> str:
        """The parameter `image`, or its default for these columns."""
        return self.for_columns(columns).image
