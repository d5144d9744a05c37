"""Folders of audio files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.formats._columns import conform, with_file_columns
from datajob.formats._media_folder import FolderWriter
from datajob.formats.base import FileReader, Fragment, InputFile, OnBadRecord
from datajob.formats.binary_files import LOAD_FIELD, Load, whole_file
from datajob.formats.media_files import open_file
from datajob.media.audio_facts import read_facts
from datajob.media.errors import MediaError
from datajob.media.files import MediaFile
from datajob.media.references import literal
from datajob.media.values import MediaValue, media_type
from datajob.parameters import Column

if TYPE_CHECKING:
    import pyarrow as pa

_FACTS = {"duration": "float64", "sampleRate": "int32", "channels": "int32", "codec": "string"}


AUDIO_ENDINGS = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a")


class AudioReader(FileReader):
    """Audio files (wav, flac, mp3, ogg, opus, m4a), one row per file with its `audio` and the values in its header.

    `audio` has the `bytes` and the `path` of the file, as the feature Audio of Hugging Face. Samples are not decoded:
    `duration` (in seconds, null if the header does not state it), `sampleRate`, `channels` and `codec` (such as mp3 or
    pcm_s16le) come from the header. A file that is not audio is a failed row. With `load: reference`, long recordings are
    never in memory as a whole.
    """

    suffixes = AUDIO_ENDINGS
    load: Load = LOAD_FIELD

    def known_columns(self) -> tuple[str, ...]:
        """The columns of `schema`, without hive partitions."""
        return ("audio", *_FACTS, *((self.include_path,) if self.include_path else ()))

    def schema(self, files: Sequence[InputFile]) -> pa.Schema:  # type: ignore[override]
        """`audio`, `duration`, `sampleRate`, `channels`, `codec`."""
        import pyarrow as pa

        facts = [(name, getattr(pa, kind)()) for name, kind in _FACTS.items()]
        return with_file_columns(pa.schema([("audio", media_type()), *facts]), self, files)

    def features(self, files: Sequence[InputFile]) -> dict[str, Any]:
        """`audio` is audio."""
        return {"audio": {"_type": "Audio"}}

    def read(self, fragment: Fragment, schema: pa.Schema, batch_bytes: int, on_bad: OnBadRecord) -> Iterator[pa.Table]:
        """One row."""
        import pyarrow as pa

        path, size = fragment.file.path, fragment.file.size
        data = None
        try:
            if self.load == "reference":
                with open_file(MediaValue(path=path)) as file:
                    facts = read_facts(file)
            else:
                data = whole_file(path, on_bad)
                if data is None:
                    return
                facts = read_facts(MediaFile.of(data))
        except MediaError as error:
            on_bad("", f"{path}: {error}")
            return
        audio = pa.array([{"bytes": data, "path": literal(path, size)}], media_type())
        values = (facts.duration, facts.sample_rate, facts.channels, facts.codec)
        columns = {
            name: pa.array([value], getattr(pa, kind)()) for (name, kind), value in zip(_FACTS.items(), values, strict=True)
        }
        yield conform(pa.table({"audio": audio, **columns}), schema, fragment, self)


class AudioWriter(FolderWriter):
    """Audio files, with the other columns in `metadata.jsonl` in the same folder (the layout of Hugging Face AudioFolder).

    Each shard is a folder. For large numbers of files, prefer `parquet` or `webdataset`.
    """

    extension = (*AUDIO_ENDINGS, ".mp4", ".mkv", ".avi", ".aac", ".bin", ".jsonl")
    audio: Column = Field(
        default="audio",
        description="Column with encoded audio, as bytes or as structs of `bytes` and `path`. It is written unchanged; files "
        "of references are copied.",
    )

    def media(self, columns: Sequence[str]) -> str:
        """The parameter `audio`."""
        return self.audio
