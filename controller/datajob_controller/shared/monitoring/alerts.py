"""Alerts. The runbook of an alert is the section of the same name of a page in docs/runbooks."""

from collections.abc import Iterable
from typing import Any, NamedTuple

RUNBOOKS = "https://github.com/datajob/datajob/blob/main/docs/runbooks"
OBJECT = "{{ $labels.namespace }}/{{ $labels.name }}"
"""The object of an alert, in a summary."""


class Alert(NamedTuple):
    """An alert."""

    name: str
    expression: str
    minutes: int
    """How long the expression must hold before the alert fires."""
    severity: str
    summary: str
    keep_minutes: int = 0
    """How long the alert continues to fire after the expression no longer holds."""
    page: str = "alerts.md"
    """The page of its runbook."""

    @property
    def runbook(self) -> str:
        """The address of its runbook."""
        return f"{RUNBOOKS}/{self.page}#{self.name.lower()}"


def rules(alerts: Iterable[Alert]) -> list[dict[str, Any]]:
    """Alerts as rules of Prometheus."""
    return [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": f"{alert.minutes}m",
            **({"keep_firing_for": f"{alert.keep_minutes}m"} if alert.keep_minutes else {}),
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook_url": alert.runbook},
        }
        for alert in alerts
    ]
