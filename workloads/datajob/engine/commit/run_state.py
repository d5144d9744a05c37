"""The state of a run, stored in the sink: which run it is, which attempt, and whether it may write there.

`_datajob/run.json` outlives the driver. The next attempt reads it to resume the run.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

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
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of sources that all attempts read."""

    def save(self, sink: Folder) -> None:
        """Store it in the sink."""
        sink.write(RUN, json.dumps(asdict(self)).encode())


def load_state(sink: Folder) -> RunState | None:
    """The last run that wrote to this sink, if any."""
    if not sink.exists(RUN):
        return None
    raw = json.loads(sink.read(RUN))
    return RunState(**{**raw, "prior": [OutputFile(**f) for f in raw["prior"]]})


def data_files(sink: Folder, writer: Writer) -> list[OutputFile]:
    """Files in the sink that have the extension of the writer or belong to a result of any format, without hidden ones."""
    return [
        OutputFile(name, -1, size)
        for name, size in sink.list("", recursive=True).items()
        if (name.endswith(writer.extension) or OURS.search(name)) and not is_hidden(name)
    ]
