"""Counts of the requests to an endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from datajob.api.report import EndpointReport
from datajob.operators.batch import EndpointUse


@dataclass
class EndpointTally:
    """Requests to an endpoint."""

    endpoint: str
    model: str
    requests: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    wait_seconds: float = 0.0
    cost: float | None = None

    def add(self, other: EndpointTally | EndpointUse) -> None:
        """Add other requests."""
        self.requests += other.requests
        self.retries += other.retries
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.wait_seconds += other.wait_seconds
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost

    def report(self) -> EndpointReport:
        """The entry of the report."""
        return EndpointReport(
            endpoint=self.endpoint,
            model=self.model or None,
            requests=self.requests,
            retries=self.retries,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            wait_seconds=round(self.wait_seconds, 3),
            cost=None if self.cost is None else round(self.cost, 6),
        )
