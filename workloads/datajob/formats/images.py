"""Folders of image files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from datajob.errors import InvalidJob
from datajob.formats._columns import conform, did_you_mean, with_file_columns
from datajob.formats._image_files import FILE_NAME, IMAGE_ENDINGS, ImageFiles
from datajob.formats.base import Fragment, InputFile, OnBadRecord, Reader, ShardWriter, Writer
from datajob.formats.binary_files import whole_file
from datajob.media.image import ImageError, read_header
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa


class ImagesReader(Reader):
    """Image files, one row per file with its `path`, its `bytes` and the values in its header.

    Pixels are not decoded: `width`, `height` (in pixels), `format` (such as JPEG) and `mode` (such as RGB) come from the
    header. A file that is not an image is a failed row.
    """

    suffixes = IMAGE_ENDINGS

    def known_columns(self) -> tuple[str, ...]:
        """The columns of `schema`, without hive partitions."""
        return (*_COLUMNS, *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`path`, `bytes`, `width`, `height`, `format`, `mode`."""
        import pyarrow as pa

        return with_file_columns(pa.schema([(name, getattr(pa, kind)()) for name, kind in _COLUMNS.items()]), self, files)

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row."""
        import pyarrow as pa

        path = fragment.file.path
        data = whole_file(path, on_bad)
        if data is None:
            return
        try:
            header = read_header(data)
        except ImageError as error:
            on_bad("", f"{path}: {error}")
            return
        if header.width * header.height > BOMB_PIXELS:
            on_bad("", f"{path}: {header.width} x {header.height} pixels are treated as a decompression bomb")
            return
        row = {"path": path, "bytes": data, **header._asdict()}
        table = pa.table({name: pa.array([row[name]], getattr(pa, kind)()) for name, kind in _COLUMNS.items()})
        yield conform(table, schema, fragment, self)


BOMB_PIXELS = 178_956_970
"""By default, Pillow does not open larger images."""
_COLUMNS = {"path": "string", "bytes": "binary", "width": "int32", "height": "int32", "format": "string", "mode": "string"}


class ImagesWriter(Writer):
    """Image files, with the other columns in `metadata.jsonl` in the same folder (the layout of Hugging Face ImageFolder).

    Each shard is a folder. For large numbers of images, prefer `parquet` or `webdataset`.
    """

    extension = (*IMAGE_ENDINGS, ".bin", ".jsonl")
    image: Column = Field(default="bytes", description="Column with encoded images, which are written unchanged.")
    name: Column | None = Field(
        default=None, description="Column with the file names (without folder and extension). By default, files are numbered."
    )

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files `<prefix>/<name>.<ending of their format>` and `<prefix>/metadata.jsonl`."""
        import pyarrow as pa

        if self.partition_by:
            raise InvalidJob("sink.images: `partitionBy` is not supported; use parquet, json or webdataset.")
        for column in filter(None, (self.image, self.name)):
            if column not in schema.names:
                raise InvalidJob(f"sink.images: the result has no column {column}{did_you_mean(column, schema.names)}.")
        if FILE_NAME in schema.names and self.name != FILE_NAME:
            raise InvalidJob(
                f"sink.images: metadata.jsonl contains a column {FILE_NAME}; `rename` or `drop` the column of the rows."
            )
        if not pa.types.is_binary(schema.field(self.image).type):
            raise InvalidJob(
                f"sink.images: column {self.image} is {schema.field(self.image).type}, not encoded images (binary)."
            )
        return ImageFiles(root, prefix, self.image, self.name)
