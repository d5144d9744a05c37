"""Obstacles that are planted in the way of DataJobs, and what users must see of them: the rows of docs/obstacles.md."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hack.cluster.waiting import TooLate, wait_for
from tests.support.api import Api
from tests.support.api_jobs import Jobs

Objects = list[tuple[str, dict[str, Any]]]
"""Plurals and manifests."""


def _no_objects(_: str) -> Objects:
    return []


@dataclass(frozen=True)
class Obstacle:
    """One obstacle."""

    name: str
    """The row of the page."""
    reason: str
    message: tuple[str, ...]
    """Parts of the message: the cause and the fix."""
    phase: str = "Starting"
    """The phase in which the reason is shown."""
    end: str = ""
    """The reason of the end, if it differs."""
    retried: bool = False
    """Whether the attempt is retried; otherwise, the job fails at once."""
    spec: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    """Labels of the namespace."""
    objects: Callable[[str], Objects] = _no_objects
    """What is planted in the namespace."""

    def plant(self, api: Api, namespace: str) -> None:
        """Create the obstacle."""
        if self.labels:
            api.patch("namespaces", "", namespace, {"metadata": {"labels": self.labels}})
        for plural, manifest in self.objects(namespace):
            api.create(plural, manifest)

    def check(self, seen: "Seen") -> None:
        """The obstacle is stated in the condition and in an Event, and the job or its attempt ends within the limit."""
        if self.phase:
            stated = [message for phase, reason, message in seen.stated if (phase, reason) == (self.phase, self.reason)]
            assert stated, (self.reason, seen)
            missing = [part for part in self.message if part not in stated[-1]]
            assert not missing, (missing, stated[-1])
        assert seen.ended, seen
        assert seen.ended["reason"] == (self.end or self.reason), seen
        missing = [part for part in self.message if part not in seen.ended["message"]]
        assert not missing, (missing, seen.ended["message"])
        assert seen.phase == ("Retrying" if self.retried else "Failed"), seen
        assert ("Warning", self.reason) in seen.events, seen


@dataclass
class Seen:
    """What a user saw of a DataJob until its first attempt ended."""

    stated: list[tuple[str, str, str]] = field(default_factory=list)
    """Phases with reason and message of the condition Reconciling."""
    ended: dict[str, Any] | None = None
    """The attempt that ended."""
    phase: str = ""
    """The phase after that."""
    events: list[tuple[str, str]] = field(default_factory=list)
    """Types and reasons of the Events."""

    def look(self, jobs: Jobs, name: str) -> bool:
        """Look at a DataJob; returns whether its first attempt has ended."""
        if self.ended:
            return True
        status = jobs.status(name)
        condition = next((one for one in status.get("conditions", ()) if one["type"] == "Reconciling"), {})
        attempts = status.get("attempts")
        if not attempts:
            if condition.get("status") == "True":
                stated = (status["phase"], condition["reason"], condition["message"])
                self.stated += [stated] if stated not in self.stated[-1:] else []
            return False
        self.ended, self.phase = attempts[0], status["phase"]
        return True

    def look_at_events(self, jobs: Jobs, name: str) -> bool:
        """Look at the Events; returns whether there is one about the end, which is published after the status."""
        events = (event for event in jobs.api.list("events", jobs.namespace) if event["involvedObject"]["name"] == name)
        self.events = [(event["type"], event["reason"]) for event in events]
        return self.ended is not None and ("Warning", self.ended["reason"]) in self.events


def watch(jobs: Mapping[str, tuple[Jobs, str]], seconds: float) -> dict[str, Seen]:
    """Look at DataJobs, given by the name of their obstacle, until the first attempt of each has ended."""
    seen = {name: Seen() for name in jobs}

    def all_ended() -> bool:
        return not [name for name, job in jobs.items() if not seen[name].look(*job)]

    def all_published() -> bool:
        return not [name for name, job in jobs.items() if not seen[name].look_at_events(*job)]

    with suppress(TooLate):
        wait_for(all_ended, "the end of all attempts", seconds, every=0.5)
    with suppress(TooLate):
        wait_for(all_published, "the Events about them", every=0.5)
    return seen
