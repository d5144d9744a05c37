"""A service with the engine that repeats words, for all tests that do not change it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.serving import Running, new_service, running


@pytest.fixture(scope="session")
def served() -> Iterator[Running]:
    """A service for everyone."""
    with running(new_service()) as found:
        yield found


@pytest.fixture(scope="session")
def client(served: Running) -> Any:
    """The official client of that service."""
    return served.client()
