"""The settings of ModelServices."""

from pydantic import Field

from datajob_controller.shared.settings import PodSettings


class ServiceSettings(PodSettings):
    """Everything that an administrator can set for ModelServices."""

    service_grace_seconds: int = Field(
        default=330,
        ge=1,
        description="Grace period for the termination of the pods of a ModelService, in seconds. Answers in progress are "
        "completed within it.",
    )
    service_client_labels: dict[str, str] = Field(
        default={},
        description="Labels of the namespaces whose pods may send requests to ModelServices; by default, all clients may "
        "connect, and API keys protect the services.",
    )
