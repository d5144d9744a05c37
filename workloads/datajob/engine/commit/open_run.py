"""Start a run, or resume the last one of a sink."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

from datajob.engine.commit.publication import clean_up, complete_published
from datajob.engine.commit.run_state import COPIES, MANIFEST, RunState, data_files, load_state, now
from datajob.errors import SinkError
from datajob.formats._table_folders import table_in
from datajob.formats._table_sink import TableWriter
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING


def open_run(sink: Folder, name: str, writer: Writer, fresh: bool, run_id: str | None) -> RunState:
    """The state of a new run, or of the next attempt of a run that did not complete.

    A complete run with the same `run_id` is returned unchanged (state `complete`): nothing is left to do. `fresh` ignores what
    earlier runs committed; further attempts with the same `run_id` reuse what the first one committed.
    Raises SinkError in mode `error` if the sink already holds a result.
    """
    last = load_state(sink)
    if isinstance(writer, TableWriter) and last is not None and last.state != "complete" and writer.published(last.run_id):
        last = complete_published(sink, last)
        if run_id is None and not fresh:
            return last
    if last is not None and run_id is not None and last.run_id == run_id:
        fresh = False
        if last.state == "complete":
            return last
    if last is not None and last.state != "complete":
        state = replace(last, attempt=last.attempt + 1, name=name, run_id=run_id or last.run_id)
        if fresh:
            for name in ("commits", "intermediate", "checkpoints", "model-outputs"):
                sink.delete_tree(f"{BOOKKEEPING}/{name}")
            state = replace(state, target=None, versions={})
        if isinstance(writer, TableWriter):
            _refuse_existing(writer)
            if state.run_id != last.run_id:
                writer.discard(sink, last.run_id)
        return state
    if isinstance(writer, TableWriter):
        _refuse_existing(writer)
        clean_up(sink)
        return RunState(run_id or uuid.uuid4().hex, name, now())
    _refuse_tables(sink)
    there = data_files(sink, writer)
    if there and writer.mode == "error":
        raise SinkError(
            f"{writer.path} already holds data ({_count(there)}, such as {there[0].path}). "
            "Choose another path, or set the writer's `mode` to `overwrite` or `append`."
        )
    other = [file.path for file in there if not file.path.endswith(writer.extension) and not COPIES.search(file.path)]
    if other and writer.mode == "append":
        raise SinkError(
            f"{writer.path} contains a result in another format ({other[0]}), and no reader supports both. "
            "Choose another path or write the same format."
        )
    if fresh or writer.mode != "overwrite":
        sink.delete_tree(f"{BOOKKEEPING}/commits")
    prior = (_manifest_files(sink) or there) if writer.mode == "append" else []
    return RunState(run_id or uuid.uuid4().hex, name, now(), prior=prior)


def _refuse_existing(writer: TableWriter) -> None:
    """Raise SinkError in mode `error` if the table exists."""
    if writer.mode == "error" and writer.existing_schema() is not None:
        raise SinkError(
            f"{writer.path} already contains a table. Choose another path, or set the writer's `mode` to `overwrite` or "
            "`append`."
        )


def _refuse_tables(sink: Folder) -> None:
    """Raise SinkError if the folder is a table: its readers would not see plain files."""
    if kind := table_in(sink):
        raise SinkError(
            f"{sink.path} contains a {kind} table, to which plain files cannot be written. Choose another path, or use the "
            "sink for this kind of table."
        )


def _count(files: list[OutputFile]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def _manifest_files(sink: Folder) -> list[OutputFile]:
    if not sink.exists(MANIFEST):
        return []
    return [OutputFile(**f) for f in json.loads(sink.read(MANIFEST))["files"]]
