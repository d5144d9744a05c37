"""Items of an iterator are taken as the child can take them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from datajob.media.isolation import close, run_isolated
from datajob.media.isolation.child import SLOT
from tests.support.media_work import plant


@pytest.fixture(autouse=True)
def no_child_is_left() -> Iterator[None]:
    close()
    yield
    close()


class Held(bytearray):
    """Bytes of which it is known how many exist."""

    alive = most = 0

    def __init__(self, size: int) -> None:
        super().__init__(size)
        Held.alive += size
        Held.most = max(Held.most, Held.alive)

    def __del__(self) -> None:
        Held.alive -= len(self)


def test_items_of_an_iterator_are_held_only_while_they_are_in_flight() -> None:
    Held.alive = Held.most = 0
    sizes = [1 << 20, 2 << 20, 12 << 20, 100] * 25
    results = run_isolated(plant, ((memoryview(Held(size)),) for size in sizes))
    assert results == [[size] for size in sizes]
    assert Held.alive == 0 and Held.most <= 3 * SLOT + max(sizes) < sum(sizes) / 5


def test_an_error_of_the_iterator_is_raised_and_the_child_is_not_used_again() -> None:
    def items() -> Iterator[tuple[bytes]]:
        yield (b"x" * SLOT,)
        yield (b"x",)
        raise ConnectionError("planted")

    assert run_isolated(plant, [(b"x",)]) == [[1]]
    with pytest.raises(ConnectionError, match="planted"):
        run_isolated(plant, items())
    assert run_isolated(plant, [(b"xy",)]) == [[2]]
