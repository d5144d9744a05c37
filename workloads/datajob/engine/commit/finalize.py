"""The end of a run: the manifest is replaced, and only then everything that it does not list is deleted.

A reader that follows the manifest sees either the old or the new result. Every action can be repeated after a crash.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from datajob import __version__
from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import MANIFEST, OURS, RunState, data_files, now
from datajob.errors import InvalidJob
from datajob.formats._columns import plain_schema
from datajob.formats._exact import common_type
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

if TYPE_CHECKING:
    import pyarrow as pa


def result_files(state: RunState, records: Iterable[Record]) -> list[OutputFile]:
    """Files of the result in the order of its rows."""
    ordered = sorted(records, key=lambda r: r.index)
    return [*state.prior, *(f for record in ordered for f in record.files)]


def refuse_mixed_types(sink: Folder, state: RunState, records: Iterable[Record]) -> None:
    """Raises InvalidJob if a column has types in the files of the result that no reader can unite, such as text and numbers."""
    import pyarrow as pa

    schemas = sorted({record.schema for record in records if record.schema and record.files})
    kinds: dict[str, pa.DataType] = {}
    for schema in [*_prior_schemas(sink, state), *(pa.ipc.read_schema(pa.py_buffer(b64decode(s))) for s in schemas)]:
        for field in schema:
            known = kinds.setdefault(field.name, field.type)
            try:
                kinds[field.name] = common_type(known, field.type)
            except pa.ArrowException as error:
                raise InvalidJob(
                    f"Column `{field.name}` is {known} in some files of the result and {field.type} in others, so that they "
                    "cannot be read together. Give the column one type: in `types` of the step that adds it, or with `cast`."
                ) from error


def _prior_schemas(sink: Folder, state: RunState) -> Iterator[pa.Schema]:
    """The schema of the last Parquet file that the run appends to: the earlier ones were compared when it was written."""
    import pyarrow.parquet as pq

    for file in [file for file in state.prior if file.rows][-1:]:
        with sink.open_input(file.path) as source:
            yield plain_schema(pq.read_schema(source))


def write_manifest(sink: Folder, state: RunState, files: list[OutputFile]) -> None:
    """Replace the manifest: from then on, `files` are the result."""
    manifest = {
        "version": 1,
        "job": state.name,
        "runId": state.run_id,
        "finished": now(),
        "engine": __version__,
        "rows": sum(f.rows for f in files if f.rows >= 0),
        "bytes": sum(f.size for f in files),
        "files": [asdict(f) for f in files],
    }
    sink.write(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())


def sweep(sink: Folder, writer: Writer, files: list[OutputFile], keys: dict[str, set[str]]) -> None:
    """Delete what does not belong to the result: replaced files, remains of crashes, old commit records, intermediate rows.

    In mode `overwrite` the folder contains nothing but the result; otherwise only files named like ours are deleted.
    `keys` are the commit records to keep, by stage: those of the last stage, since the files of earlier stages are deleted.
    """
    listed = {f.path for f in files}
    found = (f.path for f in data_files(sink, writer))
    sink.delete(p for p in found if p not in listed and (writer.mode == "overwrite" or OURS.search(p)))
    commits = sink.list(f"{BOOKKEEPING}/commits", recursive=True)
    sink.delete(name for name in commits if not _current(name, keys))
    for temporary in ("intermediate", "model-outputs", "tmp"):
        sink.delete_tree(f"{BOOKKEEPING}/{temporary}")


def _current(name: str, keys: dict[str, set[str]]) -> bool:
    stage, file = name.split("/")[-2:]
    return file.removesuffix(".json") in keys.get(stage, set())
