"""Why the processes that tried a shard died: for lack of memory, or for another reason.

Each try leaves a note in Ray: its process, its node, how many processes the kernel had killed there for lack of memory, and
whether it returned an error.
After the last try, Ray's table of workers and the kernel's counter state the cause. Only this module uses private state of
Ray.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

SPACE = b"datajob"
"""Namespace of the notes."""
_COUNTERS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
"""Files with the counter `oom_kill` of the container, for version 2 and 1 of control groups."""


@dataclass(frozen=True)
class Try:
    """A process that ran a shard."""

    node: str
    worker: str
    kills: int
    raised: bool = False
    """True if it returned an error; otherwise, it died."""


def tries(key: str) -> list[Try]:
    """The tries of a shard so far."""
    from ray.experimental.internal_kv import _internal_kv_get

    return [Try(**one) for one in json.loads(_internal_kv_get(_name(key), namespace=SPACE) or "[]")]


def note_try(key: str, before: Sequence[Try], raised: bool = False) -> list[Try]:
    """Note that this process runs a shard, after the tries `before`; returns all of them."""
    import ray
    from ray.experimental.internal_kv import _internal_kv_put

    context = ray.get_runtime_context()
    found = [*before, Try(context.get_node_id(), context.get_worker_id(), memory_kills(), raised)]
    content = json.dumps([asdict(one) for one in found]).encode()
    _internal_kv_put(_name(key), content, overwrite=True, namespace=SPACE)
    return found


def _name(key: str) -> bytes:
    return f"datajob-tries/{key}".encode()


def out_of_memory(tries: list[Try]) -> str | None:
    """How the processes of tries died for lack of memory, or None if there is no sign of it."""
    import ray

    here = [one.kills for one in tries if one.node == ray.get_runtime_context().get_node_id()]
    if here and memory_kills() > min(here):
        return "the kernel killed processes of the worker because it exceeded its memory limit"
    killed = _killed_by_ray()
    if any(one.worker in killed for one in tries):
        return "the memory monitor of Ray killed them because the worker ran low on memory"
    return None


def memory_kills() -> int:
    """How many processes of this container the kernel has killed for lack of memory; 0 if that is unknown."""
    for path in _COUNTERS:
        with suppress(OSError, ValueError):
            counters = dict(line.split() for line in path.read_text().splitlines())
            return int(counters.get("oom_kill", 0))
    return 0


def _killed_by_ray() -> set[str]:
    """The IDs of the worker processes that the memory monitor of Ray has killed; empty if they are unknown."""
    try:
        from ray._private.state import state

        gcs_pb2: Any = import_module("ray.core.generated.gcs_pb2")
        common_pb2: Any = import_module("ray.core.generated.common_pb2")
        table = state._connect_and_get_accessor().get_worker_table()
        workers = [gcs_pb2.WorkerTableData.FromString(one) for one in table]
        reason = common_pb2.WorkerExitType.NODE_OUT_OF_MEMORY
        return {one.worker_address.worker_id.hex() for one in workers if not one.is_alive and one.exit_type == reason}
    except Exception:  # noqa: BLE001 - another version of Ray can differ; the cause is only a part of a message
        return set()
