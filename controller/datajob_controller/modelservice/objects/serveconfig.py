"""The configuration of Ray Serve: one application with one deployment, whose replicas hold the model."""

from typing import Any

import yaml

from datajob.api.service.spec import ModelServiceSpec
from datajob_controller.modelservice.names import DEPLOYMENT, IMPORT_PATH, KEYS_FOLDER
from datajob_controller.modelservice.specs import loaded_part
from datajob_controller.runtime.manifests import Manifest

ACCELERATOR_BATCH, CPU_BATCH = 64, 16
"""Rows of a batch by default."""
FULL_SURGE = 100


def serve_config(name: str, stored: Manifest, spec: ModelServiceSpec) -> str:
    """The configuration as YAML. Ray Serve loads the model again if `args` change."""
    args: Manifest = {"name": spec.name or name, "service": loaded_part(stored)}
    if spec.restart:
        args["restart"] = spec.restart.id
    args["service"] = {key: value for key, value in args["service"].items() if key not in ("runtime", "restart")}
    application = {
        "name": name,
        "route_prefix": "/",
        "import_path": IMPORT_PATH,
        "args": args,
        "deployments": [deployment(spec)],
    }
    return _yaml({"applications": [application]})


def with_deployment(config: str, spec: ModelServiceSpec) -> str:
    """An existing configuration with the replicas, limits and keys of a spec. The model stays loaded."""
    parsed: Any = yaml.safe_load(config)
    parsed["applications"][0]["deployments"] = [deployment(spec)]
    return _yaml(parsed)


def deployment(spec: ModelServiceSpec) -> Manifest:
    """What may change while the model stays loaded."""
    surge = {"max_surge_percent": FULL_SURGE, "rolling_update_percentage": 1.0} if spec.update == "surge" else {}
    return {"name": DEPLOYMENT, **_replicas(spec), **surge, "user_config": user_config(spec)}


def user_config(spec: ModelServiceSpec) -> Manifest:
    """The limits and keys of the application."""
    return {
        "limits": spec.limits.model_dump(mode="json", by_alias=True),
        "keys": {name: limits.model_dump(mode="json", by_alias=True) for name, limits in spec.auth.keys.items()},
        "keysFolder": KEYS_FOLDER,
    }


def _replicas(spec: ModelServiceSpec) -> Manifest:
    replicas = spec.replicas
    if replicas.min == replicas.max:
        return {"num_replicas": replicas.min}
    batch = getattr(spec.model.chosen, "batch_rows", None) or (ACCELERATOR_BATCH if spec.resources.accelerator else CPU_BATCH)
    return {
        "num_replicas": "auto",
        "autoscaling_config": {
            "min_replicas": replicas.min,
            "max_replicas": replicas.max,
            "target_ongoing_requests": replicas.target or batch,
            "downscale_delay_s": float(replicas.idle_seconds),
        },
    }


def _yaml(value: Manifest) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
