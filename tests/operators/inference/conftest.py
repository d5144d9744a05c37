"""Tiny models with random weights, made once per session, and steps that use them on the CPU in float32."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest


def needs_torch() -> None:
    """Skip, with the reason, where the packages of models are not installed."""
    missing = [name for name in ("torch", "torchvision", "transformers") if find_spec(name) is None]
    if missing:
        pytest.skip(f"runs a real model; not installed: {', '.join(missing)} (pip install 'datajob[llava]')")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaVA-NeXT of a quarter of a million parameters."""
    needs_torch()
    from tests.models.llava import make_llava

    return make_llava(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its language model alone."""
    needs_torch()
    from tests.models.llava import make_llama

    return make_llama(tmp_path_factory.mktemp("models") / "llama")


Ask = Callable[..., tuple[list[dict[str, Any]], dict[int, str]]]


@pytest.fixture(scope="session")
def ask() -> Ask:
    """Runs a step on rows, as the engine does: (the new columns row by row, the failed rows)."""
    import pyarrow as pa

    from workloads.operators.base import Batch, Device, Model

    engines: dict[str, Any] = {}

    def call(step: Model, rows: list[dict[str, Any]] | pa.Table) -> tuple[list[dict[str, Any]], dict[int, str]]:
        if step.loads() not in engines:
            engines[step.loads()] = step.setup(Device("cpu", 1))
        table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
        inferred = step.infer(Batch(table), engines[step.loads()])
        return pa.table(dict(inferred.columns)).to_pylist(), dict(inferred.failed)

    return call
