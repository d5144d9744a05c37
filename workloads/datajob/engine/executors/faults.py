"""What a failed call means, and what it counts for: processes die, and data is lost with the machine that held it."""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto

from datajob.api.contract import OUT_OF_MEMORY
from datajob.errors import WorkerDied

MAX_DEATHS = 3
"""The run fails after this many processes died with the same work, or during startup while none is running."""
MAX_LOSSES = 20
"""The run fails after the rows of a shard were lost this many times with a process or machine that did not work on them."""


class Fault(Enum):
    """What a failed call of a process means."""

    DIED = auto()
    """The process is gone, or is unreachable."""
    LOST = auto()
    """An argument or the result was lost with its machine. The process is not to blame, and neither is its work."""
    RAISED = auto()
    """The call raised an exception."""


def fault_of(error: Exception) -> Fault:
    """What the exception of a call means.

    Ray raises the error of an argument as the error of the call. So the death of another process looks like the death of
    the one that was called, unless the wrapper is taken into account.
    """
    from ray import exceptions as ray_errors

    deaths = (ray_errors.RayActorError, ray_errors.OutOfMemoryError, ray_errors.WorkerCrashedError, ray_errors.NodeDiedError)
    if isinstance(error, ray_errors.RayTaskError):
        cause = error.cause
        while isinstance(cause, ray_errors.RayTaskError):
            cause = cause.cause
        return Fault.LOST if isinstance(cause, (*deaths, ray_errors.ObjectLostError)) else Fault.RAISED
    if isinstance(error, deaths):
        return Fault.DIED
    return Fault.LOST if isinstance(error, ray_errors.ObjectLostError) else Fault.RAISED


class Blame:
    """What happened to each shard: processes that died while they worked on it, and losses without its fault."""

    def __init__(self) -> None:
        self._deaths = Counter[int]()
        self._losses = Counter[int]()
        self._failed: set[int] = set()
        self._avoid: dict[int, set[str]] = {}

    def died(self, shard: int, node: str, what: str, name: str, error: Exception) -> None:
        """A process died while it worked on a shard. Raises WorkerDied if that happened too often."""
        self._deaths[shard] += 1
        self._avoid.setdefault(shard, set()).add(node)
        if self._deaths[shard] >= MAX_DEATHS:
            raise WorkerDied(died_message(what, f"while it processed {name}", error)) from error

    def failed(self, shard: int, node: str) -> bool:
        """A shard raised an error on a machine. True if it is the first error: the machine can be the cause."""
        if shard in self._failed:
            return False
        self._failed.add(shard)
        self._avoid.setdefault(shard, set()).add(node)
        return True

    def has_failed(self, shard: int) -> bool:
        """True if a shard raised an error on a machine."""
        return shard in self._failed

    def lost(self, shard: int, name: str, error: Exception) -> None:
        """A shard has to run again, and is not the cause. Raises WorkerDied if that happened too often."""
        self._losses[shard] += 1
        refuse_endless(self._losses[shard], name, error)

    @property
    def suspects(self) -> bool:
        """True if a process died while it worked on any shard."""
        return bool(self._deaths)

    def suspect(self, shard: int) -> bool:
        """True if a process died while it worked on the shard: it runs alone, so that no other one is blamed for it."""
        return self._deaths[shard] > 0

    def avoided(self, shard: int) -> set[str]:
        """The machines on which the shard failed, or on which processes died while they worked on it."""
        return self._avoid.get(shard, set())


def refuse_endless(losses: int, name: str, error: Exception) -> None:
    """Raise WorkerDied after too many losses."""
    if losses >= MAX_LOSSES:
        raise WorkerDied(
            f"The rows of {name} were lost {losses} times with the process or machine that held them: {_cause(error)}. "
            "Check whether machines of the cluster are removed or restarted, and whether their disks are full."
        ) from error


def died_message(what: str, where: str, error: BaseException, deaths: int = MAX_DEATHS) -> str:
    """The message of a run that ends because processes die."""
    from ray.exceptions import OutOfMemoryError

    memory = OUT_OF_MEMORY if isinstance(error, OutOfMemoryError) else ""
    return (
        f"{memory}A {what} died {deaths} times {where}: {_cause(error)}. The usual cause is insufficient memory: "
        "increase `memory` of the workers, or use fewer `actors` on each of them."
    )


def _cause(error: BaseException) -> str:
    return " ".join(str(error).split())[:600]
