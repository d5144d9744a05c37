"""The result of a run that writes to a table becomes visible in one commit of the table.

Before the commit, the manifest and the report are stored as they will be after it. The commit contains the ID of the run. If
the driver ends after the commit, the next attempt finds the ID in the table and completes the run from what was stored.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import MANIFEST, RunState
from datajob.errors import InvalidJob, SinkError
from datajob.formats._columns import plain_schema
from datajob.formats._exact import TypeConflictError, unite_types
from datajob.formats._table_sink import TableWriter
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING

if TYPE_CHECKING:
    import pyarrow as pa

PUBLICATION = f"{BOOKKEEPING}/publication.json"


def announce(sink: Folder, state: RunState, manifest: bytes, report: str) -> None:
    """Store what completes the run once the table contains its result."""
    stored = {"run": state.run_id, "manifest": manifest.decode(), "report": report}
    sink.write(PUBLICATION, json.dumps(stored, ensure_ascii=False).encode())


def complete_published(sink: Folder, state: RunState) -> RunState:
    """Complete a run whose result the table contains. Can be repeated."""
    stored = json.loads(sink.read(PUBLICATION)) if sink.exists(PUBLICATION) else {}
    if stored.get("run") != state.run_id:
        raise SinkError(
            f"{sink.path}: the table contains the result of run {state.run_id}, but {PUBLICATION} does not describe it. To "
            f"start a new run, delete the folder {sink.join(BOOKKEEPING)}."
        )
    sink.write(MANIFEST, stored["manifest"].encode())
    sink.write(f"{BOOKKEEPING}/report.json", stored["report"].encode())
    clean_up(sink)
    complete = replace(state, state="complete")
    complete.save(sink)
    sink.delete([PUBLICATION])
    return complete


def clean_up(sink: Folder) -> None:
    """Delete commit records and temporary files. Files of data are never deleted: versions of the table contain them."""
    for temporary in ("commits", "intermediate", "checkpoints", "model-outputs", "tmp"):
        sink.delete_tree(f"{BOOKKEEPING}/{temporary}")


def delete_unused(sink: Folder, writer: TableWriter, files: Collection[str]) -> None:
    """Delete files of the run that are not part of its result, such as those that were written before the job was changed."""
    sink.delete(name for name in writer.written_files(sink) if name not in files)


def columns_of(writer: TableWriter, records: Collection[Record]) -> pa.Schema | None:
    """The columns of the files as the table stores them; None without rows. Raises InvalidJob if a type differs among files."""
    import pyarrow as pa

    found = sorted({record.schema for record in records if record.schema and record.files})
    schemas = [writer.written_schema(plain_schema(pa.ipc.read_schema(pa.py_buffer(b64decode(one))))) for one in found]
    try:
        kinds = unite_types(enumerate(schemas), _same)
    except TypeConflictError as conflict:
        raise InvalidJob(
            f"Column `{conflict.column}` is {conflict.known} in some files of the result and {conflict.found} in others, but a "
            "table has one type for a column. Set it in `types` of the step that adds the column or with a `cast` step."
        ) from conflict
    fields = {field.name: field for schema in schemas for field in schema}
    return pa.schema([fields[name] for name in kinds]) if schemas else None


def _same(a: Any, b: Any) -> Any:
    import pyarrow as pa

    if not a.equals(b):
        raise pa.ArrowTypeError(f"{a} and {b}")
    return a
