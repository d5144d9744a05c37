"""What a reply that is not an answer means: for the request, for the row or for the job. Pure."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from datajob.errors import private

MAX_RETRY_AFTER = 600.0
SHOWN = 300
"""Characters of the message of a server that errors contain."""
_UNPAID = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_UNKNOWN_MODEL = ("model_not_found", "model_not_allowed")
_CONTENT = ("content_filter", "content_policy_violation", "moderation_blocked", "invalid_prompt", "refusal")
_OVERLOADED = (429, 503, 529)
_TEMPORARY = (408, 409, 423, 424, 425, 499)
_OF_ROW = (400, 413, 414, 422, 431)
_ALWAYS = (501, 505)
"""Errors of servers that a repetition meets again."""


class Means(Enum):
    """What a refusal means."""

    OVERLOAD = "The server has too much to do. The request is repeated later."
    TEMPORARY = "The request may succeed when it is repeated."
    ROW = "The server does not accept the request."
    DOUBTFUL = "The server does not accept the request, or accepts no request of this job: other requests show which."
    JOB = "The server accepts no request of this job."


@dataclass(frozen=True)
class Refusal:
    """A reply that is not an answer, or the error in its place."""

    means: Means
    reason: str
    """With the marks of its private parts."""
    after: float | None = None
    """Seconds after which the server accepts the request again, according to the server."""
    code: str = ""
    param: str = ""
    status: int = 0
    """0: there was no reply."""


def refusal(status: int, headers: Mapping[str, str], body: Any, secret: str | None, now: datetime | None = None) -> Refusal:
    """The meaning of a status, and of a body as parsed JSON or as text."""
    code, param, message = _error(body)
    shown = _cleaned(message, secret)
    page = ", a web page instead of JSON" if _is_page(body) else ""
    reason = f"{status}{f' {code}' if code else ''}{page}{private(f': {shown}') if shown else ''}"
    after = retry_after(headers, now or datetime.now(UTC))
    means = _means(status, code, headers)
    if means is Means.JOB:
        reason = f"{status}{f' {code}' if code else ''}"  # the message can contain a part of the key
        if 300 <= status < 400:
            reason = f"{status}, a redirect{private(' to ' + headers.get('Location', '')[:SHOWN])}"
    return Refusal(means, reason, after, code, param, status)


def _means(status: int, code: str, headers: Mapping[str, str]) -> Means:
    """Gateways refuse single prompts with 403, for which a wrong key is another cause."""
    if code in _CONTENT:
        return Means.ROW
    if code in (*_UNPAID, *_UNKNOWN_MODEL) or status in (401, 402, 407) or 300 <= status < 400:
        return Means.JOB
    if status in _OVERLOADED:
        return Means.OVERLOAD
    wanted = headers.get("x-should-retry", "").lower()
    if status in _TEMPORARY or (status >= 500 and status not in _ALWAYS):
        return Means.ROW if wanted == "false" else Means.TEMPORARY
    if wanted == "true":
        return Means.TEMPORARY
    return Means.ROW if status in _OF_ROW else Means.DOUBTFUL


def _error(body: Any) -> tuple[str, str, str]:
    """Code, parameter and message of an error in the shape of OpenAI, or in one of those that other servers use."""
    if isinstance(body, str):
        return "", "", "" if _is_page(body) else body
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if isinstance(error, str):
        return "", "", error
    if not isinstance(error, Mapping):
        return "", "", ""
    message = next((error[key] for key in ("message", "detail", "error") if isinstance(error.get(key), str)), "")
    return _word(error.get("code")) or _word(error.get("type")), _word(error.get("param")), message


def _is_page(body: Any) -> bool:
    """Firewalls and proxies send web pages."""
    return isinstance(body, str) and body.lstrip().startswith("<")


def _word(value: Any) -> str:
    """A code of a server, if it is one: it becomes a part of messages that are public."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w.-]{0,63}", value) else ""


def _cleaned(message: str, secret: str | None) -> str:
    if secret:
        message = message.replace(secret, "***")
    message = re.sub(r"\S*\*{3,}\S*", "***", message)  # a part of the key, as some servers show it
    return " ".join(message.split())[:SHOWN].encode("utf-8", "backslashreplace").decode()


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a server asks to wait: `retry-after-ms`, or `Retry-After` as seconds or as a date."""
    for name, unit in (("retry-after-ms", 0.001), ("Retry-After", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,12}(\.\d*)?", value):
            return min(MAX_RETRY_AFTER, float(value) * unit)
    try:
        date = email.utils.parsedate_to_datetime(headers.get("Retry-After", ""))
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return min(MAX_RETRY_AFTER, max(0.0, (date - now).total_seconds()))


def error_in_reply(body: Any) -> int | None:
    """The status of an error in a body with status 200, as some gateways send it; None if it contains none."""
    if not isinstance(body, Mapping) or not body.get("error"):
        return None
    error = body["error"]
    code = error.get("code") if isinstance(error, Mapping) else None
    return int(code) if isinstance(code, int | str) and re.fullmatch(r"[345]\d\d", str(code)) else 500
