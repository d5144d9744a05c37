"""The state of a run, stored in the sink: which run it is, which attempt, and whether it may write there.

`_datajob/run.json` outlives the driver. The next attempt reads it to resume the run.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

from datajob.errors import SinkError
from datajob.formats.base import OutputFile, Writer
from datajob.formats.folder import Folder
from datajob.formats.listing import is_hidden
from datajob.formats.storage import BOOKKEEPING

RUN = f"{BOOKKEEPING}/run.json"
MANIFEST = f"{BOOKKEEPING}/manifest.json"
OURS = re.compile(r"(^|/)part-\d{5,}-[0-9a-f]{10}\b")
"""Matches the names of result files that a run may have written."""
COPIES = re.compile(rf"{OURS.pattern}-media/")
"""Matches the names of media that lie next to the rows of a result."""


def now() -> str:
    """The current time as RFC 3339."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class RunState:
    """What a driver needs to start or resume a run."""

    run_id: str
    name: str
    started: str
    attempt: int = 1
    state: str = "running"
    target: int | None = None
    """Bytes of input per shard, fixed by the first attempt."""
    prior: list[OutputFile] = field(default_factory=list)
    """Files that the sink held before and that remain part of the result: mode `append`."""

    def save(self, sink: Folder) -> None:
        """Store it in the sink."""
        sink.write(RUN, json.dumps(asdict(self)).encode())


def load_state(sink: Folder) -> RunState | None:
    """The last run that wrote to this sink, if any."""
    if not sink.exists(RUN):
        return None
    raw = json.loads(sink.read(RUN))
    return RunState(**{**raw, "prior": [OutputFile(**f) for f in raw["prior"]]})


def open_run(sink: Folder, name: str, writer: Writer, fresh: bool, run_id: str | None) -> RunState:
    """The state of a new run, or of the next attempt of a run that did not complete.

    A complete run with the same `run_id` is returned unchanged (state `complete`): nothing is left to do. `fresh` ignores what
    earlier runs committed; further attempts with the same `run_id` reuse what the first one committed.
    Raises SinkError in mode `error` if the sink already holds a result.
    """
    last = load_state(sink)
    if last is not None and run_id is not None and last.run_id == run_id:
        fresh = False
        if last.state == "complete":
            return last
    if last is not None and last.state != "complete":
        state = replace(last, attempt=last.attempt + 1, name=name, run_id=run_id or last.run_id)
        if fresh:
            for name in ("commits", "intermediate", "checkpoints", "model-outputs"):
                sink.delete_tree(f"{BOOKKEEPING}/{name}")
            state = replace(state, target=None)
        return state
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


def _count(files: list[OutputFile]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def data_files(sink: Folder, writer: Writer) -> list[OutputFile]:
    """Files in the sink that have the extension of the writer or belong to a result of any format, without hidden ones."""
    return [
        OutputFile(name, -1, size)
        for name, size in sink.list("", recursive=True).items()
        if (name.endswith(writer.extension) or OURS.search(name)) and not is_hidden(name)
    ]


def _manifest_files(sink: Folder) -> list[OutputFile]:
    if not sink.exists(MANIFEST):
        return []
    return [OutputFile(**f) for f in json.loads(sink.read(MANIFEST))["files"]]
