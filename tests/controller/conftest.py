"""Fixtures for the tests of decisions."""

import pytest

from tests.support.world import World, datajob


@pytest.fixture
def world() -> World:
    """A DataJob that was just applied."""
    made = World(datajob())
    made.settle()
    return made
