"""Why an attempt cannot start, or cannot get a worker, and how long to wait.

There are three classes of problems:

- `permanent`: only a user can fix it, for example a missing Secret. The job fails after `obstacle_seconds`, without a retry,
  because another attempt would be the same.
- `capacity`: other pods hold what is needed, or nodes are missing. The job fails after `scheduling_seconds`, without a retry.
- `temporary`: a service does not respond, for example a registry. The attempt fails after the limit given, and is retried.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from datajob_controller.shared.settings import PodSettings


@dataclass(frozen=True)
class Problem:
    """Something that prevents pods from running."""

    reason: str
    message: str
    fatal_at: datetime | None = None
    """When the attempt counts as failed because of it; None if only the start deadline limits it."""
    retried: bool = True
    group: str | None = None
    """The group of pods that it affects; None: any."""


@dataclass(frozen=True)
class Limits:
    """Creates problems of each class that exist since a point in time."""

    settings: PodSettings
    since: datetime | None
    group: str | None = None

    def permanent(self, reason: str, message: str) -> Problem:
        """A problem that only a user can fix."""
        return Problem(reason, message, self._after(self.settings.obstacle_seconds), retried=False, group=self.group)

    def capacity(self, reason: str, message: str) -> Problem:
        """A problem that ends when pods end or nodes are added."""
        return Problem(reason, message, self._after(self.settings.scheduling_seconds), retried=False, group=self.group)

    def temporary(self, reason: str, message: str, seconds: int) -> Problem:
        """A problem that may end by itself, or on another node."""
        return Problem(reason, message, self._after(seconds), group=self.group)

    def _after(self, seconds: int) -> datetime | None:
        return self.since + timedelta(seconds=seconds) if self.since else None
