"""Which requests are accepted: by their number, their tokens, and the limits of their key.

All methods run in the event loop of the application, so they need no locks. Limits hold for one replica.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from datajob.api.service.spec import KeyLimits
from datajob.serving.buckets import Budget
from datajob.serving.keys import NO_LIMITS, Key
from datajob.serving.openai.errors import ApiError

FIRST_ESTIMATE = 1.0
"""Seconds of a request before one has been measured."""
LONGEST_RETRY = 60.0


@dataclass(eq=False)
class Ticket:
    """An accepted request."""

    client: Client
    entered: float
    tokens: int = 0
    """Reserved tokens of the prompt and the answers."""
    size: int = 0
    """Bytes of its body so far."""
    waiting: bool = True
    """Whether the first token is still missing."""


@dataclass(eq=False)
class Client:
    """What a key uses at present."""

    name: str
    limits: KeyLimits = NO_LIMITS
    requests: Budget | None = None
    tokens: Budget | None = None
    in_progress: int = 0


@dataclass
class Capacity:
    """The limits of the service."""

    requests: int
    tokens: int | None
    body_bytes: int = 1 << 40
    """Bytes of the bodies of all requests in progress."""


@dataclass
class Admission:
    """Accepts or refuses requests."""

    capacity: Capacity
    clock: Callable[[], float] = time.monotonic
    draining: bool = False
    _tickets: set[Ticket] = field(default_factory=set)
    _clients: dict[str, Client] = field(default_factory=dict)
    _seconds: float = FIRST_ESTIMATE

    @property
    def in_progress(self) -> int:
        """Number of accepted requests without a complete reply."""
        return len(self._tickets)

    @property
    def queued_tokens(self) -> int:
        """Reserved tokens of requests whose first token is missing."""
        return sum(ticket.tokens for ticket in self._tickets if ticket.waiting)

    @property
    def queue_age(self) -> float:
        """Seconds since the oldest request without a first token was accepted."""
        return max((self.clock() - ticket.entered for ticket in self._tickets if ticket.waiting), default=0.0)

    def enter(self, key: Key) -> Ticket:
        """Accept a request whose body has not been read. Raises ApiError."""
        if self.draining:
            raise ApiError(503, "The server is shutting down. Retry the request.", code="shutting_down", retry_after=1)
        client = self._client(key)
        self._check_key(client)
        if self.in_progress >= self.capacity.requests:
            text = f"The service is processing {self.capacity.requests} requests, its limit. Retry later."
            raise _limited(text, "queue_full", self._estimate(), self.headers(key))
        ticket = Ticket(client, self.clock())
        self._tickets.add(ticket)
        client.in_progress += 1
        if client.requests:
            client.requests.use(1)
        return ticket

    def hold(self, ticket: Ticket, size: int) -> None:
        """Add bytes to the body of an accepted request. Raises ApiError. A body is never refused if it is the only one."""
        held = sum(each.size for each in self._tickets)
        if held > ticket.size and held + size > self.capacity.body_bytes:
            text = f"Requests with {held // 1_000_000} MB are in progress, and the service has no memory for more. Retry later."
            raise _limited(text, "body_bytes", self._estimate(), self._headers(ticket.client))
        ticket.size += size

    def reserve(self, ticket: Ticket, tokens: int) -> None:
        """Reserve the tokens of an accepted request. Raises ApiError.

        A request with more tokens than a limit is accepted if no other one is using the limit.
        """
        limit, queued = self.capacity.tokens, self.queued_tokens
        client = ticket.client
        if limit is not None and queued and queued + tokens > limit:
            text = f"Requests with {queued} tokens are waiting, and the limit of the service is {limit}. Retry later."
            raise _limited(text, "queued_tokens", self._estimate(), self._headers(client))
        if client.tokens and (wait := client.tokens.wait_for(tokens)):
            text = (
                f"The request needs up to {tokens} tokens, but the API key `{client.name}` may use {client.tokens.limit} per "
                f"minute, of which {client.tokens.remaining} are left."
            )
            raise _limited(text, "key_tokens", wait, self._headers(client))
        ticket.tokens = tokens
        if client.tokens:
            client.tokens.use(tokens)

    def started(self, ticket: Ticket) -> None:
        """The first token has arrived."""
        ticket.waiting = False

    def leave(self, ticket: Ticket, used: int = 0, *, complete: bool = False) -> None:
        """End a request that used a number of tokens; the others of its reservation are returned."""
        self._tickets.remove(ticket)
        ticket.client.in_progress -= 1
        if ticket.client.tokens:
            ticket.client.tokens.use(used - ticket.tokens)
        if complete:
            self._seconds = 0.9 * self._seconds + 0.1 * (self.clock() - ticket.entered)

    def headers(self, key: Key) -> dict[str, str]:
        """The `x-ratelimit` headers of a key; none without limits."""
        return self._headers(self._client(key))

    def _client(self, key: Key) -> Client:
        client = self._clients.setdefault(key.name, Client(key.name))
        if client.limits != key.limits:
            rpm, tpm = key.limits.requests_per_minute, key.limits.tokens_per_minute
            client.limits = key.limits
            client.requests = Budget(rpm, self.clock) if rpm else None
            client.tokens = Budget(tpm, self.clock) if tpm else None
        return client

    def _check_key(self, client: Client) -> None:
        most = client.limits.concurrency
        if most is not None and client.in_progress >= most:
            text = f"The API key `{client.name}` has {client.in_progress} requests in progress; its limit is {most}."
            raise _limited(text, "key_concurrency", self._estimate(), self._headers(client))
        if client.requests and (wait := client.requests.wait_for(1)):
            text = f"The API key `{client.name}` has used its {client.requests.limit} requests per minute."
            raise _limited(text, "key_requests", wait, self._headers(client))

    def _headers(self, client: Client) -> dict[str, str]:
        found = {}
        for kind, budget in (("requests", client.requests), ("tokens", client.tokens)):
            if budget is not None:
                found[f"x-ratelimit-limit-{kind}"] = str(budget.limit)
                found[f"x-ratelimit-remaining-{kind}"] = str(budget.remaining)
                found[f"x-ratelimit-reset-{kind}"] = f"{budget.reset_seconds:.3f}s"
        return found

    def _estimate(self) -> float:
        """When a request is likely to be accepted: after the average time of a request."""
        return min(max(self._seconds, 1.0), LONGEST_RETRY)


def _limited(message: str, reason: str, wait: float, headers: dict[str, str]) -> ApiError:
    return ApiError(429, message, code="rate_limit_exceeded", reason=reason, retry_after=wait, headers=headers)
