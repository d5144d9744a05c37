"""Reads settings from environment variables, and defines the settings of the runtime.

A setting is a field of a frozen model; its variable is `DATAJOB_` followed by the name of the field in capitals.
"""

import json
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from datajob.suggest import nearest

PREFIX = "DATAJOB_"


class InvalidSettingsError(ValueError):
    """An environment variable is not a valid setting. The message names the variable."""


class Frozen(BaseModel):
    """A frozen block of settings without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FromEnvironment(Frozen):
    """Settings that an administrator sets by environment variables."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings: scalars as text, lists as JSON or separated by commas, everything else as JSON."""
        values: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if (text := env.get(variable(name))) is not None:
                values[name] = _value(variable(name), text, field.annotation)
        try:
            return cls(**values)
        except ValidationError as error:
            raise InvalidSettingsError("; ".join(_problem(one) for one in error.errors())) from error


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + setting.upper()


def refuse_unknown(env: Mapping[str, str], models: Iterable[type[FromEnvironment]]) -> None:
    """Refuse variables that begin with the prefix but are not the name of a setting."""
    known = [name.upper() for model in models for name in model.model_fields]
    problems = []
    for name in sorted(name.removeprefix(PREFIX) for name in env if name.startswith(PREFIX)):
        if name not in known:
            close = nearest(name, known)
            hint = f"; did you mean {PREFIX}{close}?" if close else "."
            problems.append(f"{PREFIX}{name} is not a setting of the controller{hint}")
    if problems:
        raise InvalidSettingsError(" ".join(problems))


def _value(name: str, text: str, annotation: Any) -> Any:
    options = get_args(annotation)
    if NoneType in options and text == "":
        return None
    origin = get_origin(annotation) or annotation
    if origin is tuple and not text.lstrip().startswith("["):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    structured = origin in (dict, tuple) or (isinstance(origin, type) and issubclass(origin, BaseModel))
    try:
        return json.loads(text) if structured else text
    except ValueError as error:
        raise InvalidSettingsError(f"{name} must be valid JSON: {error}") from error


def _problem(error: Any) -> str:
    """One error of pydantic, with the name of the variable and of the field in its JSON."""
    first, *rest = error["loc"] or ("",)
    where = ".".join([variable(str(first)) if first else "The settings", *(str(part) for part in rest)])
    return f"{where}: {error['msg']}"


class Settings(FromEnvironment):
    """Settings of the controller process, independent of the kinds that it serves."""

    namespaces: tuple[str, ...] = Field(default=(), description="Namespaces to watch; by default the whole cluster.")
    namespace_selector: str = Field(
        default="",
        description="Label selector of the namespaces to watch, such as `datajobs=enabled`, instead of a list of names. "
        "Requires permissions for the whole cluster.",
    )
    pod_namespace: str = Field(default="datajob-system", description="Namespace of the controller and its Lease.")
    pod_name: str = Field(default="controller", description="Name of this replica.")
    pod_uid: str = Field(default="", description="UID of the pod of this replica, for Events about it.")
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

    @model_validator(mode="after")
    def _names_or_labels(self) -> Self:
        if self.namespaces and self.namespace_selector:
            raise ValueError("set either DATAJOB_NAMESPACES or DATAJOB_NAMESPACE_SELECTOR, not both")
        return self
