"""One request from its acceptance to the end of its reply: measured, logged without its content, and ended exactly once."""

from __future__ import annotations

import logging
import time

from starlette.requests import ClientDisconnect

from datajob.errors import frames
from datajob.operators.inference._engines.base import InvalidImage, RequestError
from datajob.operators.inference._engines.serving import InvalidSchema, ModelFailed, PromptTooLong
from datajob.serving.admission import Ticket
from datajob.serving.connection import ClientGone
from datajob.serving.keys import Key
from datajob.serving.openai.errors import ApiError, internal_error, invalid, invalid_image, model_failed
from datajob.serving.service import Service

logger = logging.getLogger(__name__)
CLIENT_GONE = 499
"""The status in metrics and logs of a request whose client has closed the connection."""


class Exchange:
    """An accepted request."""

    def __init__(self, service: Service, endpoint: str, key: Key, ticket: Ticket, request_id: str) -> None:
        self.service, self.endpoint, self.key, self.ticket = service, endpoint, key, ticket
        self.spent = 0, 0
        """Number of tokens of the prompt and of the answers so far."""
        self._began = time.perf_counter()
        self._first: float | None = None
        self._ended = False
        self._id = request_id

    def first_token(self) -> None:
        """The first token has arrived."""
        if self._first is None:
            self._first = time.perf_counter()
            self.service.admission.started(self.ticket)
            self.service.meter.record("time_to_first_token_seconds", self._first - self._began)

    def end(self, status: int) -> None:
        """The reply is complete or has failed. Has no effect the second time."""
        if self._ended:
            return
        self._ended = True
        prompt, completion = self.spent
        service, seconds = self.service, time.perf_counter() - self._began
        service.admission.leave(self.ticket, prompt + completion, complete=status == 200)
        count(service, self.endpoint, status, self.key)
        service.meter.record("request_seconds", seconds, operation=self.endpoint)
        if prompt:
            service.meter.record("prompt_tokens_total", prompt, key=self.key.name)
        if completion:
            service.meter.record("completion_tokens_total", completion, key=self.key.name)
        if self._first is not None and completion > 1 and status == 200:
            rest = time.perf_counter() - self._first
            service.meter.record("time_per_token_seconds", rest / (completion - 1))
        logger.info(
            "%s %d key=%s prompt_tokens=%d completion_tokens=%d seconds=%.3f id=%s",
            self.endpoint, status, self.key.name, prompt, completion, seconds, self._id,
        )  # fmt: skip


def count(service: Service, endpoint: str, status: int, key: Key | None) -> None:
    """Count a request."""
    service.meter.record("requests_total", operation=endpoint, status=str(status), key=key.name if key else "")


def as_api_error(error: BaseException, param: str) -> ApiError:
    """What a client is told about an exception. Only the traceback of a defect is logged, because messages contain prompts."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, PromptTooLong):
        return invalid(_sentence(error), param, "context_length_exceeded")
    if isinstance(error, InvalidSchema):
        return invalid(_sentence(error), "response_format.json_schema.schema")
    if isinstance(error, InvalidImage):
        return invalid_image(error.why, param)
    if isinstance(error, RequestError):
        return invalid(_sentence(error), param)
    if isinstance(error, ClientGone | ClientDisconnect):
        return ApiError(CLIENT_GONE, "The client has closed the connection.", reason="client_gone")
    if isinstance(error, ModelFailed):
        logger.error("The engine has stopped.")
        return model_failed()
    logger.error("A request failed because of a defect. %s", frames(error))
    return internal_error()


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
