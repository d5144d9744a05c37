"""Limits of requests and tokens per minute. Pure."""

from __future__ import annotations

BURST_SECONDS = 1.0
"""Seconds of a limit that can be used at once."""
FIRST_TOKENS_PER_CHARACTER = 0.3
ANSWER_SHARE = 0.25
"""Expected length of an answer as a share of its limit, until answers are known."""


class Budget:
    """An amount per minute, used evenly. It can be overdrawn by a single request, which delays the next one."""

    def __init__(self, per_minute: int, now: float) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate * BURST_SECONDS)
        self._left, self._at = self._burst, now

    def wait(self, now: float) -> float:
        """Seconds until something can be used."""
        self._refill(now)
        return max(0.0, (min(1.0, self._burst) - self._left) / self._rate)

    def use(self, now: float, amount: float) -> None:
        """Use an amount, or return a negative one."""
        self._refill(now)
        self._left = min(self._burst, self._left - amount)

    def _refill(self, now: float) -> None:
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._rate)
        self._at = max(self._at, now)


class Pace:
    """The limits of an endpoint. Tokens are estimated before a request, and corrected afterward."""

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None, now: float) -> None:
        self._requests = Budget(requests_per_minute, now) if requests_per_minute else None
        self._tokens = Budget(tokens_per_minute, now) if tokens_per_minute else None
        self._characters = self._prompts = 0
        self._answers = self._answered = 0

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent."""
        return max((budget.wait(now) for budget in (self._requests, self._tokens) if budget is not None), default=0.0)

    def sent(self, now: float, characters: int, longest: int) -> float:
        """Count a request: the characters of its prompt, and the limit of its answer. Returns the estimated tokens."""
        if self._requests is not None:
            self._requests.use(now, 1)
        if self._tokens is None:
            return 0.0
        per_character = self._prompts / self._characters if self._characters else FIRST_TOKENS_PER_CHARACTER
        answer = self._answers / self._answered if self._answered else longest * ANSWER_SHARE
        estimate = characters * per_character + min(answer, longest)
        self._tokens.use(now, estimate)
        return estimate

    def answered(self, now: float, estimate: float, characters: int, prompt: int, answer: int) -> None:
        """Correct an estimate by the tokens of a reply."""
        if self._tokens is None:
            return
        self._tokens.use(now, prompt + answer - estimate)
        self._characters += characters
        self._prompts += prompt
        self._answers += answer
        self._answered += 1
