"""The state of a service: its model, who may use it, what it is processing, and what it has measured."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import Request

from datajob.api.service.spec import RequestLimits
from datajob.operators.inference._engines.serving import ModelFailed, ServingEngine
from datajob.serving.admission import Admission, Capacity
from datajob.serving.images import Download
from datajob.serving.keys import Key
from datajob.serving.metrics import Meter
from datajob.serving.openai.errors import ApiError, invalid, model_failed, quoted
from datajob.serving.openai.requests import Defaults
from datajob.serving.pacing import RefusalPace

BATCHES = 4
"""Number of batches that are accepted by default: one is in the model, the others wait."""
BODIES = 8
"""Number of bodies of the maximum size that are held in memory at the same time; of smaller ones, more."""
LOADING_SECONDS = 5.0


class Access(Protocol):
    """Who may send requests."""

    def authenticate(self, authorization: str | None) -> Key:
        """The client of an `Authorization` header. Raises ApiError."""


@dataclass
class Service:
    """A service of one model. `engine` is None while the model is loaded."""

    name: str
    """The name of the model for clients."""
    access: Access
    meter: Meter
    limits: RequestLimits = field(default_factory=RequestLimits)
    defaults: Defaults = field(default_factory=Defaults)
    prefix: str = ""
    """The prefix of texts for embeddings."""
    download: Download | None = None
    engine: ServingEngine | None = None
    admission: Admission = field(default_factory=lambda: Admission(Capacity(1, None)))
    refusals: RefusalPace = field(default_factory=RefusalPace)
    created: int = field(default_factory=lambda: int(time.time()))
    fingerprint: str = ""

    def start(self, engine: ServingEngine) -> None:
        """Accept requests with a loaded model."""
        digest = hashlib.blake2b(f"{engine.description} {engine.revision}".encode(), digest_size=6).hexdigest()
        self.fingerprint = f"fp_{digest}"
        self.engine = engine
        self.set_limits(self.limits)

    def set_limits(self, limits: RequestLimits) -> None:
        """Replace the limits; requests in progress continue."""
        self.limits = limits
        slots = self.engine.slots if self.engine else 1
        size = BODIES * limits.body_megabytes * 1_000_000
        self.admission.capacity = Capacity(limits.concurrent_requests or BATCHES * slots, limits.queued_tokens, size)

    def ready_engine(self) -> ServingEngine:
        """The engine. Raises ApiError while it is loading or after it has failed."""
        if self.engine is None:
            text = "The model is being loaded. Retry the request."
            raise ApiError(503, text, code="model_loading", retry_after=LOADING_SECONDS)
        try:
            self.engine.check_health()
        except ModelFailed:
            raise model_failed() from None
        return self.engine

    def authenticate(self, request: Request) -> Key:
        """The client of a request. Raises ApiError."""
        return self.access.authenticate(request.headers.get("authorization"))

    def check_model(self, key: Key, model: Any) -> None:
        """Raise ApiError unless a request names this model and its key may use it."""
        if not isinstance(model, str):
            raise invalid("You must provide `model`, the name of the model.", "model", "missing_required_parameter")
        if model != self.name:
            text = f"The model `{quoted(model)}` does not exist. This service has the model `{self.name}`."
            raise ApiError(404, text, code="model_not_found", param="model")
        key.check_model(model)

    def observe(self) -> None:
        """Set the gauges to the present state."""
        ready = 1.0
        try:
            engine = self.ready_engine()
            self.meter.record("batch_fill_ratio", min(1.0, engine.running / engine.slots))
            self.meter.record("model_revision", 1, revision=engine.revision)
        except ApiError:
            ready = 0.0
        self.meter.record("model_ready", ready)
        self.meter.record("requests_in_progress", self.admission.in_progress)
        self.meter.record("queued_tokens", self.admission.queued_tokens)
        self.meter.record("queue_age_seconds", self.admission.queue_age)
