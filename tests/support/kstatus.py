"""The state of an object in kstatus, by which Flux and other tools wait, as `Compute` of cli-utils derives it."""

from typing import Any


def kstatus(found: dict[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current."""
    meta, status = found["metadata"], found.get("status") or {}
    if meta.get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != meta["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for one in conditions:
        if one["status"] == "True" and one["type"] in ("Reconciling", "Stalled"):
            return "InProgress" if one["type"] == "Reconciling" else "Failed"
    ready = next((one["status"] for one in conditions if one["type"] == "Ready"), "True")
    return "Current" if ready == "True" else "InProgress"
