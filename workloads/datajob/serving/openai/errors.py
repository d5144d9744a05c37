"""Errors in the format of OpenAI: status, message, type, code, and the field that is the cause."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import Response

_TYPES = {429: "rate_limit_error"}
_MAX_MESSAGE = 1000
MAX_QUOTED = 100
"""Maximum number of characters of a value of a request in a message."""


class ApiError(Exception):
    """A request that is refused or failed. The message never contains a prompt, an image or a key."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        reason: str | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message[:_MAX_MESSAGE], code, param
        self.reason = reason or code or "invalid_request"
        """For the metric of rejected requests."""
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))

    def body(self) -> dict[str, Any]:
        """The reply."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """The reply with its headers."""
        return json_response(self.body(), self.status, self.headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """The error for a request that the client must change."""
    return ApiError(400, message, code=code, param=param)


def invalid_image(why: str, param: str | None = None) -> ApiError:
    """The error for an image that cannot be decoded."""
    return invalid(f"The image cannot be used: {why.removesuffix('.')}.", param, "invalid_image")


def unsupported(param: str, why: str) -> ApiError:
    """The error for a field that would change the answer but has no effect here."""
    return ApiError(400, why, param=param, code="unsupported_parameter")


def internal_error() -> ApiError:
    """The reply to a request that met a defect. A repetition would meet it again."""
    return ApiError(
        500,
        "The server failed to process the request because of an internal error. Its log contains the traceback.",
        code="internal_error",
        headers={"x-should-retry": "false"},
    )


def model_failed() -> ApiError:
    """The reply to all requests when the engine has stopped, until the replica has been replaced."""
    return ApiError(503, "The model has stopped and is loaded again. Retry the request.", code="model_failed", retry_after=10)


def quoted(value: str) -> str:
    """A short value of a request, for a message."""
    return value if len(value) <= MAX_QUOTED else value[:MAX_QUOTED] + "..."


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A reply with JSON."""
    return Response(encoded(body), status, headers, "application/json")


def encoded(body: Any) -> bytes:
    """JSON in UTF-8. An unpaired surrogate, which a tokenizer may produce, becomes a question mark."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
