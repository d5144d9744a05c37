"""Steps that use the tiny models on the CPU in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.endpoint_steps import run, server

__all__ = ["run", "server"]

Ask = Callable[..., tuple[list[dict[str, Any]], dict[int, str]]]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Runs a step on rows, as the engine does: (the new columns row by row, the failed rows)."""
    import pyarrow as pa

    from datajob.operators.base import Batch, Device, Model

    engines: dict[str, Any] = {}

    def call(step: Model, rows: list[dict[str, Any]] | pa.Table) -> tuple[list[dict[str, Any]], dict[int, str]]:
        if step.loads() not in engines:
            engines[step.loads()] = step.setup(Device("cpu", 1))
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
        inferred = step.infer(Batch(table), engines[step.loads()])
        return pa.table(dict(inferred.columns)).to_pylist(), dict(inferred.failed)

    return call
