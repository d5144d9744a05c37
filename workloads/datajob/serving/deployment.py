"""A service on Ray Serve: one deployment, whose replicas receive HTTP and hold the engine."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray import serve
from ray.serve import Application

from datajob.api.quantities import number
from datajob.api.service.model import as_step
from datajob.api.service.service import ModelService
from datajob.api.service.spec import KeyLimits, ModelServiceSpec, RequestLimits
from datajob.errors import InvalidJob, describe_error
from datajob.operators.base import Device
from datajob.serving.application import create_app
from datajob.serving.assembly import assemble, load_engine
from datajob.serving.keys import FOLDER, Keys
from datajob.serving.metrics import RayMeter
from datajob.serving.pinning import pinned

DEPLOYMENT = "model"
"""Name of the deployment."""
MAX_ONGOING = 100_000
"""The application limits requests itself, with replies in the format of OpenAI. Ray Serve must not do it before."""
ATTEMPTS = 2
"""Attempts to load the model before the application fails with the reason."""
DRAIN_SECONDS = 300.0
"""Time that the longest answer may take after its replica was told to stop."""
OBSERVE_SECONDS = 1.0
_BATCH = {"cpu": 16, "accelerator": 64}


class Replica:
    """One copy of the model."""

    async def __init__(self, spec: dict[str, Any], name: str, device: tuple[str, float]) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        self._spec = ModelServiceSpec.model_validate(spec)
        self._service = assemble(self._spec, name, RayMeter(name), FOLDER)
        kind, count = device
        self._service.start(load_engine(self._spec, Device(kind, count)))  # type: ignore[arg-type]
        self._observing = asyncio.ensure_future(self._observe())

    def __serve_build_asgi_app__(self) -> Any:
        return create_app(self._service)

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Apply limits and keys without a restart: `limits`, `keys` and `keysFolder`."""
        self._service.set_limits(RequestLimits.model_validate(config.get("limits", {})))
        if not self._spec.auth.anonymous:
            limits = {name: KeyLimits.model_validate(each) for name, each in config.get("keys", {}).items()}
            folder, access = Path(config.get("keysFolder", FOLDER)), self._service.access
            if isinstance(access, Keys) and access.folder == folder:
                access.set_limits(limits)  # keeps the keys if the folder cannot be read now
            else:
                self._service.access = Keys(folder, limits)

    def check_health(self) -> None:
        """Raise ModelFailed if the engine has stopped; Ray Serve then replaces the replica."""
        if self._service.engine is not None:
            self._service.engine.check_health()

    async def _observe(self) -> None:
        while True:
            self._service.observe()
            await asyncio.sleep(OBSERVE_SECONDS)


def build(args: Mapping[str, Any]) -> Application:
    """The application of `{"service": the spec of a ModelService, "name": the name of the model}`."""
    spec = pinned(ModelServiceSpec.model_validate(args["service"]))
    return _application(spec, str(args["name"]), FOLDER, _resources(spec))


def serve_on_ray(service: ModelService, keys: str | None, host: str, port: int, on_ready: Callable[[], None]) -> None:
    """Run a service on Ray Serve on this machine until SIGTERM or Ctrl-C. Raises InvalidJob if its model cannot be loaded."""
    serve.start(proxy_location="HeadOnly", http_options={"host": host, "port": port})
    stop = threading.Event()
    for number_of_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number_of_signal, lambda *_: stop.set())
    try:
        resources: dict[str, Any] = {"num_cpus": 1}
        application = _application(pinned(service.spec), service.model_name, keys or FOLDER, (resources, ("any", 1.0)))
        try:
            serve.run(application, name=service.metadata.name, route_prefix="/")
        except RuntimeError as error:
            raise InvalidJob(f"The service cannot be started: {describe_error(error)[-2000:]}") from error
        on_ready()
        stop.wait()
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]


def _application(
    spec: ModelServiceSpec, name: str, keys: str, placement: tuple[dict[str, Any], tuple[str, float]]
) -> Application:
    resources, device = placement
    deployment: Any = serve.deployment(
        serve.ingress()(Replica),
        name=DEPLOYMENT,
        ray_actor_options=resources,
        max_ongoing_requests=MAX_ONGOING,
        max_queued_requests=-1,
        max_constructor_retry_count=ATTEMPTS,
        graceful_shutdown_timeout_s=DRAIN_SECONDS,
        user_config=user_config(spec, keys),
        logging_config={"enable_access_log": False},  # the application logs each request
        **_replicas(spec),
    )
    application: Application = deployment.bind(spec.model_dump(mode="json", by_alias=True, exclude_unset=True), name, device)
    return application


def user_config(spec: ModelServiceSpec, keys: str = FOLDER) -> dict[str, Any]:
    """What may change without loading the model again."""
    limits = spec.limits.model_dump(mode="json", by_alias=True)
    return {
        "limits": limits,
        "keys": {name: each.model_dump(mode="json", by_alias=True) for name, each in spec.auth.keys.items()},
        "keysFolder": keys,
    }


def _replicas(spec: ModelServiceSpec) -> dict[str, Any]:
    r = spec.replicas
    if r.min == r.max:
        return {"num_replicas": r.min}
    batch = getattr(spec.model.chosen, "batch_rows", None) or _BATCH["accelerator" if spec.resources.accelerator else "cpu"]
    return {
        "autoscaling_config": {
            "min_replicas": r.min,
            "max_replicas": r.max,
            "target_ongoing_requests": r.target or batch,
            "downscale_delay_s": float(r.idle_seconds),
        }
    }


def _resources(spec: ModelServiceSpec) -> tuple[dict[str, Any], tuple[str, float]]:
    """A replica occupies its pod: the accelerators, or the cores, and the device of the engine."""
    accelerator = spec.resources.accelerator
    if accelerator is not None and as_step(spec.model).accelerated():
        count = float(accelerator.per_worker)
        resources = {"num_gpus": count} if accelerator.type == "gpu" else {"resources": {"NPU": count}}
        return {"num_cpus": 1, **resources}, (accelerator.type, count)
    cores = max(1, math.floor(number(spec.resources.workers.cpu)))
    return {"num_cpus": cores}, ("cpu", float(cores))
