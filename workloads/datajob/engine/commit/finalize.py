"""The end of a run: the manifest appears, and only then whatever the manifest does not list goes away.

A reader that honours the manifest sees the old result or the new one. Every step can be repeated after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

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


def write_manifest(sink: Folder, state: RunState, files: list[OutputFile]) -> None:
    """Replace the manifest: from now on this is the result."""
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
    """Delete what does not belong to the result: replaced files, leftovers of crashes, old commit records, stages.

    Under `overwrite` the folder is the result's alone; otherwise only files with names that ours have are touched.
    `keys` are the commit records to keep, by phase: those of the last, for what earlier ones left is gone with the stages.
    """
    listed = {f.path for f in files}
    found = (f.path for f in data_files(sink, writer))
    sink.delete(p for p in found if p not in listed and (writer.mode == "overwrite" or OURS.search(p)))
    commits = sink.list(f"{BOOKKEEPING}/commits", recursive=True)
    sink.delete(name for name in commits if not _current(name, keys))
    for passing in ("intermediate", "model-outputs", "tmp"):
        sink.delete_tree(f"{BOOKKEEPING}/{passing}")


def _current(name: str, keys: dict[str, set[str]]) -> bool:
    stage, file = name.split("/")[-2:]
    return file.removesuffix(".json") in keys.get(stage, set())
