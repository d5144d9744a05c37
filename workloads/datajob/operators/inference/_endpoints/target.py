"""Which server and model the requests of a step are sent to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from datajob.errors import InvalidJob

EndpointTask = Literal["vision", "text", "embed"]
SERVICE_PORT = 8000


@dataclass(frozen=True)
class Target:
    """A model of a server, and how requests are sent to it. Contains no secret."""

    task: EndpointTask
    url: str | None
    """Base URL, ending in `/v1` as a rule. None: that of `service`."""
    service: str | None = None
    model: str | None = None
    """None: the only model of the server."""
    key_variable: str | None = None
    """Name of the environment variable with the API key."""
    concurrency: int | None = None
    """Number of requests at the same time; None: as many as increase the throughput."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_seconds: float = 600.0
    retry_seconds: float = 1800.0
    image_urls: bool = False
    """Send the URLs of images instead of their content."""
    texts_per_request: int = 1

    def base_url(self) -> str:
        """The URL without a slash at its end. Raises InvalidJob if the URL of the service is unknown."""
        if self.url is not None:
            return self.url.rstrip("/")
        variable = f"DATAJOB_SERVICE_{_upper(self.service or '')}"
        if found := os.environ.get(variable):
            return found.rstrip("/")
        if "KUBERNETES_SERVICE_HOST" not in os.environ:
            raise InvalidJob(
                f"The service {self.service} exists only on a cluster. To run the job on this machine, start the model with "
                f"`datajob serve`, and set the environment variable {variable} to its URL, such as http://localhost:8000/v1."
            )
        return f"http://{self.service}:{SERVICE_PORT}/v1"

    def key(self) -> str | None:
        """The API key. Raises InvalidJob if it is missing or cannot be sent."""
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise InvalidJob(f"The endpoint needs an API key: set the environment variable {self.key_variable}.")
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InvalidJob(f"The API key in the environment variable {self.key_variable} contains invalid characters.")
        return key


def key_variable(secret: str, key: str) -> str:
    """The environment variable for an entry of a Secret."""
    return f"DATAJOB_KEY_{_upper(secret)}_{_upper(key)}"


def _upper(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name.upper())
