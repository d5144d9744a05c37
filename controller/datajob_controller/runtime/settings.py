"""Reads settings from environment variables, and defines the settings of the runtime.

A setting is a field of a frozen model; its variable is `DATAJOB_` followed by the name of the field in capitals.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field

PREFIX = "DATAJOB_"


class Frozen(BaseModel):
    """A frozen block of settings without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FromEnvironment(Frozen):
    """Settings that an administrator sets by environment variables."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings: scalars as text, lists separated by commas, everything else as JSON."""
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if (text := env.get(PREFIX + name.upper())) is not None:
                values[name] = _value(text, field.annotation)
        return cls(**values)


def _value(text: str, annotation: Any) -> Any:
    origin = get_origin(annotation) or annotation
    if origin is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    structured = origin is dict or (isinstance(origin, type) and issubclass(origin, BaseModel))
    return json.loads(text) if structured else text


class Settings(FromEnvironment):
    """Settings of the controller process, independent of the kinds that it serves."""

    namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to watch; by default the whole cluster.")
    pod_namespace: str = Field(default="datajob-system", description="Namespace of the controller and its Lease.")
    pod_name: str = Field(default="controller", description="Name of this replica.")
    lease_name: str = Field(default="datajob-controller", description="Name of the Lease for leader election.")
    lease_seconds: int = Field(
        default=20, ge=3, description="Seconds without a renewal of the Lease after which another replica takes over."
    )
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="Port of /metrics, /livez and /readyz; 0 selects a free port."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Minimum level of log messages."
    )
    reconcilers: int = Field(default=16, ge=1, description="Number of objects that are reconciled concurrently.")
