"""Runs a shard whose workers died in child processes, and finds the rows that terminate them.

The journal of a child that died contains the rows that it was processing. The next child treats them as rows on which the
operator raises: it bisects them until the row that terminates the process is isolated and fails according to `errors.policy`. A
file that terminates the process while it is read fails as a whole.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from datajob.api.contract import OUT_OF_MEMORY
from datajob.engine import journal
from datajob.engine.commit.ledger import Record
from datajob.engine.commit.shard import Shard
from datajob.engine.worker.task import ShardFailure, Task, run_shard, shard_name

MOST_CHILDREN = 200
"""Maximum number of children that a shard can terminate before it fails. Isolating a row takes about 20."""


def run_on_probation(task: Task, shard: Shard, pickler: Any = pickle) -> Record | ShardFailure:
    """Run a shard in child processes until one of them survives."""
    deadly: dict[str, str] = {}
    cause = ""
    with tempfile.TemporaryDirectory(prefix="datajob-probation-") as folder:
        for _ in range(MOST_CHILDREN):
            outcome, entry, cause = _child(Path(folder), pickler.dumps((task, shard)), deadly)
            if outcome is not None:
                return outcome
            if entry is None or entry in deadly:
                break
            deadly[entry] = cause
    return worker_died(task, shard, cause)


def worker_died(task: Task, shard: Shard, cause: str, *, memory: bool = False) -> ShardFailure:
    """The failure of a shard that terminates every process that runs it; `memory`: for lack of memory."""
    ended = f"Every process that ran {shard_name(task, shard)} terminated: {cause}."
    if memory:
        fix = "Increase `resources.workers.memory`, or reduce the memory that the step uses for a batch."
        return ShardFailure("WorkerDied", f"{OUT_OF_MEMORY}{ended} {fix}", "")
    fix = (
        "The likely cause is insufficient memory, or a function or library that terminates the process. Increase "
        "`resources.workers.memory`, fix the function, or set `errors.policy` to `drop` or `quarantine` to find the row."
    )
    return ShardFailure("WorkerDied", f"{ended} {fix}", "")


def _child(folder: Path, payload: bytes, deadly: dict[str, str]) -> tuple[Record | ShardFailure | None, str | None, str]:
    """The outcome of a child; or None, the last entry of its journal and the reason why it terminated."""
    (folder / "input").write_bytes(pickle.dumps((list(sys.path), deadly, payload)))
    for name in ("journal", "outcome"):
        (folder / name).write_bytes(b"")
    done = subprocess.run([sys.executable, "-m", __name__, str(folder)], check=False, stdout=subprocess.DEVNULL)
    data = (folder / "outcome").read_bytes()
    if data:
        outcome: Record | ShardFailure = pickle.loads(data)  # noqa: S301 - written by our own child
        return outcome, None, ""
    return None, journal.last_entry((folder / "journal").read_text()), describe_end(done.returncode)


def describe_end(code: int) -> str:
    """Why a process terminated, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return f"signal {name}" + (", most likely out of memory" if code == -signal.SIGKILL else "")


def main(folder: Path) -> None:
    """Run the shard in a folder, in a child process."""
    path, deadly, payload = pickle.loads((folder / "input").read_bytes())  # noqa: S301 - written by our parent
    sys.path[:] = path
    task, shard = pickle.loads(payload)  # noqa: S301 - written by our parent
    journal.keep(journal.Journal(os.open(folder / "journal", os.O_WRONLY | os.O_APPEND), deadly))
    outcome = run_shard(task, shard)
    (folder / "outcome").write_bytes(pickle.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
