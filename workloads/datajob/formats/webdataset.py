"""WebDataset: tar files in which members with the same name, except for the extension, form a sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from datajob.errors import InputError
from datajob.formats._columns import ColumnsReader, conform, unite
from datajob.formats._compression import codec_of
from datajob.formats._lines import BAD_TEXT
from datajob.formats._shards import FilesWriter
from datajob.formats._tar import KEY, TarEncoder, is_text, plan_members
from datajob.formats._tar_index import IDX, MEMBERS
from datajob.formats._tar_read import Sample, first_samples, is_utf8, printable, sample_places, sample_starts, samples
from datajob.formats.base import Fragment, InputFile, OnBadRecord, OutputFile, ShardWriter, Writer
from datajob.formats.binary_files import LOAD_FIELD, MAX_BYTES, Load
from datajob.formats.energon import META, Energon, write_metadata
from datajob.media.references import Reference
from datajob.media.values import is_media, media_type
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.formats.folder import Folder

SAMPLE_FILES = 100
"""Number of evenly spread tar files from which the extensions are inferred."""
SAMPLES = 50
"""Samples read from each of them."""
THREADS = 16


class WebdatasetReader(ColumnsReader):
    """WebDataset shards (`.tar`, plain or compressed): one row per sample, with `__key__` and a column per extension.

    Members such as `.json`, `.txt` and `.cls` are strings, all others are bytes. Nothing is decoded. The members of a sample
    can be anywhere in a file, and links to other members are followed. A compressed or remote file of more than 64 MiB that is
    not split is copied to the folder for temporary files first. With `load: reference`, members that are not text become
    references of the form `PATH#bytes=OFFSET,LENGTH`; files must then be uncompressed.
    """

    suffixes = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz", ".tar.lz4")
    cutting_reads = True
    load: Load = LOAD_FIELD

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`__key__` and the extensions in the first samples of the files (or `columns`).

        A later sample with a different extension is a bad record.
        """
        compressed = [file.path for file in files if codec_of(file.path) is not None]
        if self.load == "reference" and compressed:
            raise InputError(
                f"{compressed[0]}: cannot be read with `load: reference`, because parts of a compressed file cannot be read on "
                "their own. Decompress the file, or use `load: bytes`."
            )
        if self.columns is not None:
            partitions = {key for file in files for key, _ in file.partition}
            found = {"": self._schema_of([name for name in self.columns if name not in partitions and name != KEY])}
        else:
            step = max(1.0, len(files) / SAMPLE_FILES)
            chosen = [files[int(i * step)] for i in range(min(len(files), SAMPLE_FILES))]
            with ThreadPoolExecutor(THREADS) as pool:
                schemas = pool.map(lambda file: self._learnt(file.path), chosen)
                found = {file.path: schema for file, schema in zip(chosen, schemas, strict=True)}
        return self._all_columns(unite(found), files)

    def fragments(self, file: InputFile, target: int) -> list[Fragment]:
        """Ranges of whole samples of about `target` bytes. A compressed file is not split."""
        cuts = [0]
        if codec_of(file.path) is None and file.size > target:
            for start in sample_starts(file.path):
                if start - cuts[-1] >= target:
                    cuts.append(start)
        ends = [*cuts[1:], -1]
        return [Fragment(file, a, b, (file.size if b < 0 else b) - a) for a, b in zip(cuts, ends, strict=True)]

    def _schema_of(self, extensions: Sequence[str]) -> pa.Schema:
        import pyarrow as pa

        other = media_type() if self.load == "reference" else pa.binary()
        kinds = {extension: pa.string() if is_text(extension) else other for extension in extensions}
        return pa.schema([(KEY, pa.string()), *kinds.items()])

    def _learnt(self, path: str) -> pa.Schema:
        found = {extension for sample in islice(first_samples(path), SAMPLES) for extension in sample.members}
        return self._schema_of(sorted(filter(is_utf8, found)))

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """Sample by sample. A sample with an unknown extension, or with text that is not UTF-8, is passed to `on_bad`."""

        path = fragment.file.path
        of_file = [field for field in schema if field.name != self.include_path]
        kinds = {field.name: field.type for field in of_file}
        rows: list[dict[str, Any]] = []
        size = 0
        for sample in self._samples(path, fragment.start, fragment.end):
            key, members = sample.key, sample.members
            if reason := self._problem(sample, kinds):
                on_bad(_shown(members), f"{path}:{printable(key)}: {reason}")
                continue
            values = {k: v.decode() if is_text(k) else v for k, v in members.items() if k in kinds}
            places = {k: {"path": str(Reference(path, place))} for k, place in sample.places.items() if k in kinds}
            rows.append({KEY: key, **values, **places})
            size += sum(map(len, members.values())) + len(places) * (len(path) + 32)
            if size >= batch_bytes:
                yield self._table(rows, schema, fragment)
                rows, size = [], 0
        if rows:
            yield self._table(rows, schema, fragment)

    def _samples(self, path: str, start: int, end: int) -> Iterator[Sample]:
        return samples(path, start, end) if self.load == "bytes" else sample_places(path, start, end, is_text)

    def _problem(self, sample: Sample, kinds: dict[str, Any]) -> str | None:
        if sample.problem or not all(map(is_utf8, (sample.key, *sample.members, *sample.places))):
            return sample.problem or "its name is not valid UTF-8"
        for extension, data in {**sample.members, **dict.fromkeys(sample.places, b"")}.items():
            if extension not in kinds:
                if self.columns is None:
                    return f"no sample before had a member .{extension}; name the extensions to read in `columns`"
            elif len(data) > MAX_BYTES:
                return f"member .{extension} is larger than 2 GiB"
            elif is_text(extension) and not _is_text(data):
                return f"member .{extension} is not valid UTF-8"
        return None

    def _table(self, rows: list[dict[str, Any]], schema: pa.Schema, fragment: Fragment) -> pa.Table:
        import pyarrow as pa

        names = set().union(*rows) & set(schema.names)
        columns = {
            name: pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names if name in names
        }
        return conform(pa.table(columns), schema, fragment, self)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(members: dict[str, bytes]) -> str:
    texts = (data.decode("utf-8", "backslashreplace") for extension, data in members.items() if is_text(extension))
    return "\n".join(texts)[:BAD_TEXT]


class WebdatasetWriter(Writer):
    """Write WebDataset shards: one sample per row, named by `__key__` if there is such a column.

    Columns named like an extension (`jpg` with bytes, `txt` with text) and those in `members` become members. Columns of
    media (structs of `bytes` and `path`, or lists of these) become members with the extension of their format: `jpg`, or
    `image.jpg` if there are several such columns, or `0.jpg` and `1.jpg` for the items of a list. References are copied. All
    other columns form one member `json`. Keys must be unique within a file and contain no dot, so that they are preserved.
    """

    extension = (".tar", IDX, MEMBERS)
    companions = (IDX, MEMBERS)
    stores_paths = False
    members: dict[str, Column] = Field(
        default={}, description="Columns by the extension of their member, such as `jpg: image` or `txt: caption`."
    )
    samples: int = Field(default=10_000, ge=1, description="Number of samples after which a shard starts a new file.")
    file_bytes: int = Field(
        default=1 << 30, ge=1 << 16, le=1 << 40, description="Size in bytes at which a shard starts a new file."
    )

    energon: Energon | None = Field(
        default=None, description="Write the index of Megatron Energon, in `.nv-meta` and next to each file."
    )

    @model_validator(mode="after")
    def _split_is_a_partition(self) -> Self:
        if self.energon and self.energon.split and self.energon.split not in (self.partition_by or ()):
            raise ValueError("`energon.split` must be a column of `partitionBy`, so that each file belongs to one split")
        return self

    def complete(self, sink: Folder, files: Sequence[OutputFile], run: str) -> None:
        """Write the index of Energon, or delete the one of a result that is replaced."""
        if self.energon:
            write_metadata(sink, self.energon, files, run)
        elif self.mode == "overwrite":
            sink.delete_tree(META)

    def embedded_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """Columns of media."""
        return tuple(field.name for field in schema if is_media(field.type))

    def open(self, root: str, prefix: str, schema: pa.Schema) -> ShardWriter:
        """Files named `<prefix>-<n>.tar`. `members` is checked when the first row is written."""
        numbers = count()

        def encoder(stream: pa.NativeFile, columns: pa.Schema, _: str) -> TarEncoder:  # names repeat in folders of partitions
            return TarEncoder(stream, plan_members(columns, self.members), f"{prefix}-{next(numbers):03}")

        extension = self.extension if self.energon else ".tar"
        return FilesWriter(root, prefix, extension, schema, encoder, self.file_bytes, self.partition_by, file_rows=self.samples)
