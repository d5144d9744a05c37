"""Reads the report of the driver and selects what the status shows of it."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from datajob.api.contract import REPORT_KEY
from datajob.api.report import Report
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.text import bounded

SHOWN = ("progress", "steps", "pools", "endpoints", "output")
"""Fields of the report that the status shows."""


def parse_report(config_map: Manifest | None) -> Report | None:
    """The report in a ConfigMap; None if there is none yet or it is invalid, since another version may have written it."""
    text = (config_map or {}).get("data", {}).get(REPORT_KEY)
    if not text:
        return None
    try:
        return Report.model_validate_json(text)
    except ValidationError:
        return None


def of_this_attempt(report: Report | None, attempt: int) -> Report | None:
    """The report, or None if another attempt wrote it."""
    return report if report is not None and report.attempt == attempt else None


def projected(report: Report | None, before: Mapping[str, Any]) -> Manifest:
    """Progress, steps, pools, endpoints and output for the status; without a report, those of the previous status."""
    if report is None:
        return {key: before[key] for key in SHOWN if key in before}
    shown = report.model_dump(mode="json", by_alias=True, include=set(SHOWN), exclude_none=True)
    return {key: bounded(value) for key, value in shown.items() if value}
