"""The kinds that the controller serves. A new kind is a package next to `datajob` and one line here."""

from collections.abc import Mapping

from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.modelservice.kind import service_kind
from datajob_controller.modelservice.settings import ServiceSettings
from datajob_controller.runtime.kind import Kind
from datajob_controller.runtime.settings import FromEnvironment

SETTINGS: tuple[type[FromEnvironment], ...] = (JobSettings, ServiceSettings)
"""The settings of the kinds."""


def kinds(env: Mapping[str, str]) -> tuple[Kind, ...]:
    """All kinds, with their settings from the environment."""
    return datajob_kind(JobSettings.from_env(env)), service_kind(ServiceSettings.from_env(env))
