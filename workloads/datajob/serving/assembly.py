"""Makes a service from its spec: who may use it, its limits, and the engine with its model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from datajob.api.service.model import as_step
from datajob.api.service.spec import ModelServiceSpec
from datajob.operators.base import Device
from datajob.operators.inference._engines.base import Settings
from datajob.operators.inference._engines.choosing import start_serving
from datajob.operators.inference._engines.serving import ServingEngine
from datajob.serving.downloads import Downloads
from datajob.serving.keys import Everyone, Keys
from datajob.serving.metrics import Meter
from datajob.serving.openai.requests import Defaults
from datajob.serving.service import Service


def assemble(spec: ModelServiceSpec, name: str, meter: Meter, keys: str | Path) -> Service:
    """The service without its engine. `name` is that of the model for clients, `keys` the folder with the API keys."""
    chosen = spec.model.chosen
    return Service(
        name=name,
        access=Everyone() if spec.auth.anonymous else Keys(keys, spec.auth.keys),
        meter=meter,
        limits=spec.limits,
        defaults=_defaults(chosen),
        download=Downloads(frozenset(spec.media.allowed_hosts)) if spec.media.allowed_hosts else None,
        prefix=str(getattr(chosen, "prefix", "")),
    )


def load_engine(spec: ModelServiceSpec, device: Device) -> ServingEngine:
    """The engine with its model loaded. Raises InvalidJob if that is not possible."""
    step = as_step(spec.model)
    settings: Settings = step.settings()
    permitted = spec.limits.image_megapixels * 1_000_000
    return start_serving(settings, device, min(permitted, getattr(step, "max_pixels", permitted)))


def _defaults(chosen: Any) -> Defaults:
    """The parameters of the model block. Without `seed`, each request is sampled differently."""
    names = [field.name for field in dataclasses.fields(Defaults) if field.name != "seed"]
    values = {name: getattr(chosen, name) for name in names if hasattr(chosen, name)}
    return Defaults(**values, seed=chosen.seed if "seed" in chosen.model_fields_set else None)
