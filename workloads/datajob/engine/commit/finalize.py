"""The end of a run: the manifest is replaced, and only then everything that it does not list is deleted.

A reader that follows the manifest sees either the old or the new result. Every action can be repeated after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from datajob import __version__
from datajob.engine.commit.ledger import Record
from datajob.engine.commit.run_state import MANIFEST, OURS, RunState, data_files, now
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.storage import BOOKKEEPING


def result_files(state: RunState, records: Iterable[Record]) -> list[OutputFile]:
    """Files of the result in the order of its rows."""
    ordered = sorted(records, key=lambda r: r.index)
    return [*state.prior, *(f for record in ordered for f in record.files)]


def manifest(state: RunState, files: list[OutputFile]) -> bytes:
    """The manifest of a result that consists of `files`."""
    content = {
        "version": 1,
        "job": state.name,
        "runId": state.run_id,
        "finished": now(),
        "engine": __version__,
        "rows": sum(f.rows for f in files if f.rows >= 0),
        "bytes": sum(f.size for f in files),
        "files": [f.entry() for f in files],
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def write_manifest(sink: Folder, state: RunState, files: list[OutputFile]) -> None:
    """Replace the manifest: from then on, `files` are the result."""
    sink.write(MANIFEST, manifest(state, files))


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
    for temporary in ("intermediate", "checkpoints", "model-outputs", "tmp"):
        sink.delete_tree(f"{BOOKKEEPING}/{temporary}")


def _current(name: str, keys: dict[str, set[str]]) -> bool:
    stage, file = name.split("/")[-2:]
    return file.removesuffix(".json") in keys.get(stage, set())
