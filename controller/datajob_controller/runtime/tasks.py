"""Tasks that end together, within a limited time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any

logger = logging.getLogger(__name__)

CANCEL_SECONDS = 10
"""A cancelled task that has not ended after this time is abandoned."""


@asynccontextmanager
async def background(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Tasks that run for the duration of a block."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        await _cancel(tasks)


async def first_of(*awaitables: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> None:
    """Wait until one ends, cancel the others, and raise its exception if it has one. Tasks of the caller are not cancelled."""
    own = [one for one in awaitables if isinstance(one, asyncio.Task)]
    tasks = [asyncio.create_task(one) for one in awaitables if not isinstance(one, asyncio.Task)]
    try:
        done, _ = await asyncio.wait([*own, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(tasks)
    for task in done:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
        for task in pending:
            logger.error("abandoned a task that did not end: %r", task)
