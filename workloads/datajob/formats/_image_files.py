"""The shard writer that writes one file per row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from datajob.errors import SinkError
from datajob.formats._json_write import JsonEncoder
from datajob.formats.atomic_file import AtomicFile
from datajob.formats.base import OutputFile
from datajob.formats.storage import storage_errors
from datajob.media.signatures import ending_of
from datajob.media.values import media_values

if TYPE_CHECKING:
    import pyarrow as pa

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")
FILE_NAME = "file_name"
"""The column of the metadata that names the file of an image."""


class ImageFiles:
    """A `ShardWriter`: images below `<prefix>/`, and their rows without the image in `<prefix>/metadata.jsonl`.

    The rows of the shard are counted for the metadata file. `file_name` is null for rows without an image.
    """

    def __init__(self, root: str, prefix: str, image: str, name: str | None) -> None:
        self._root, self._prefix, self._image, self._name = root, prefix, image, name
        self._taken: set[str] = set()
        self._rows = 0
        self._files: list[tuple[str, AtomicFile]] = []
        self._metadata: tuple[AtomicFile, JsonEncoder] | None = None

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        import pyarrow as pa

        with storage_errors(self._root, SinkError, "write to it"):
            names = table.column(self._name).cast(pa.string()).to_pylist() if self._name else [None] * table.num_rows
            images: Any = media_values(table.column(self._image))
            written = [self._write_image(image.data, name) for image, name in zip(images, names, strict=True)]
            if self._metadata is None:
                file = AtomicFile(self._root, f"{self._prefix}/metadata.jsonl")
                self._metadata = file, JsonEncoder(file.stream, "none")
            rest = table.drop_columns([self._image, *({FILE_NAME} & set(table.column_names))])
            self._metadata[1].write(rest.add_column(0, FILE_NAME, pa.array(written, pa.string())))

    def _write_image(self, data: bytes | memoryview | None, name: str | None) -> str | None:
        number = self._rows
        self._rows += 1
        if data is None:
            return None
        stem = re.sub(r"[^\w.-]+", "_", name.rsplit("/", 1)[-1]).strip("._")[:200] if name else ""
        stem = re.sub(rf"({'|'.join(map(re.escape, IMAGE_ENDINGS))})$", "", stem, flags=re.IGNORECASE) or f"{number:08}"
        while stem in self._taken:
            stem = f"{stem}-{number:08}"
        self._taken.add(stem)
        file_name = f"{stem}{ending_of(data)}"
        file = AtomicFile(self._root, f"{self._prefix}/{file_name}")
        self._files.append((file_name, file))
        file.stream.write(data)
        file.stream.close()
        return file_name

    def close(self) -> list[OutputFile]:
        """Rename the files, the metadata last."""
        if self._metadata is None:
            return []
        file, encoder = self._metadata
        try:
            encoder.finish()
            for _, image in self._files:
                image.commit()
            file.commit()
        except BaseException:
            self.abort()
            raise
        images = [OutputFile(f"{self._prefix}/{name}", 0, image.size) for name, image in self._files]
        return sorted([*images, OutputFile(f"{self._prefix}/metadata.jsonl", self._rows, file.size)], key=lambda f: f.path)

    def abort(self) -> None:
        """Delete all temporary files; never raises."""
        for _, image in self._files:
            image.abort()
        if self._metadata is not None:
            self._metadata[0].abort()
