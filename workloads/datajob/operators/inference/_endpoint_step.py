"""Base of the steps whose model is loaded by the job, or answers requests at an endpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from datajob.operators.base import Device, EndpointUse, ModelResources
from datajob.operators.inference._endpoints.target import EndpointTask, Target, key_variable
from datajob.operators.inference._engines.base import Answer, Engine, RequestError
from datajob.operators.inference._model import InferenceStep
from datajob.parameters import Parameters, ReadsFile

_ANSWER_RELEVANT = ("url", "model", "images")
"""Parameters of an endpoint on which answers depend. If another one changes, no answer is paid for again."""
_TOKENS_PER_PRICE = 1_000_000
_LOADING = frozenset(
    {
        "model", "revision", "device", "dtype", "batch_rows", "actors", "engine", "attention", "quantization", "batch_tokens",
        "static_cache", "pooling", "max_length",
    }
)  # fmt: skip
"""Parameters of models that the job loads."""


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class SecretKey(Parameters):
    """An entry of a Secret in the namespace of the job."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$", description="Entry of the Secret.")


class KeyFrom(Parameters):
    """Where the API key is."""

    env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable with the key. On a cluster, it is set from `secret` if that is given. By default, "
        "`DATAJOB_KEY_<NAME>_<KEY>`.",
    )
    secret: SecretKey | None = Field(default=None, description="Secret with the key, for jobs on a cluster.")

    @model_validator(mode="after")
    def _one(self) -> KeyFrom:
        if self.env is None and self.secret is None:
            raise ValueError("set `env` or `secret`")
        return self

    @property
    def variable(self) -> str:
        """The environment variable with the key."""
        if self.env is not None:
            return self.env
        assert self.secret is not None
        return key_variable(self.secret.name, self.secret.key)


class Price(Parameters):
    """Prices per million tokens, in any currency."""

    input: float = Field(default=0.0, ge=0, description="Price of a million tokens of prompts.")
    output: float = Field(default=0.0, ge=0, description="Price of a million tokens of answers.")


class Endpoint(Parameters):
    """A server with an API that is compatible with OpenAI."""

    url: str | None = Field(
        default=None,
        max_length=2048,
        description="Base URL of the API, such as `https://api.openai.com/v1`. Set either `url` or `service`.",
    )
    key_from: KeyFrom | None = Field(default=None, description="API key; by default none is sent.")
    model: str | None = Field(
        default=None, min_length=1, max_length=512, description="Name of the model. By default, the only one of the server."
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Number of requests at the same time. By default, it increases as long as the throughput grows.",
    )
    requests_per_minute: int | None = Field(default=None, ge=1, le=10_000_000, description="Maximum number of requests.")
    tokens_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="Maximum number of tokens of prompts and answers."
    )
    timeout_seconds: float = Field(default=600.0, ge=1, le=86_400, description="Maximum duration of a request.")
    retry_seconds: float = Field(
        default=1800.0, ge=0, le=604_800, description="How long a request is repeated that the server cannot answer."
    )
    images: Literal["inline", "url"] = Field(
        default="inline", description="Send the content of images, or their URLs, which the server must be able to access."
    )
    price: Price | None = Field(default=None, description="Prices, for the cost in the report.")

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid or any(c.isspace() or not c.isprintable() for c in url):
            raise ValueError("must be a URL that starts with http:// or https://")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("must not contain a user, a password, a query or a fragment; set the API key with `keyFrom`")
        return url


class EndpointStep(InferenceStep):
    """Base of the steps whose model is loaded by the job, or answers requests at an endpoint."""

    abstract: ClassVar[bool] = True

    model: Annotated[str, ReadsFile()] = Field(
        default="",
        min_length=1,
        json_schema_extra=_without_default,
        description="Model: a name on the Hugging Face Hub or a folder. A folder starts with `/`, `./` or `~` and must be "
        "accessible to every worker. Required without `service` and `endpoint`.",
    )
    service: str | None = Field(
        default=None,
        max_length=63,
        pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$",
        description="ModelService in the namespace of the job that answers, instead of `model`.",
    )
    endpoint: Endpoint | None = Field(
        default=None, description="Server that answers, instead of `model`; or further settings for `service`."
    )

    task: ClassVar[EndpointTask] = "text"

    @model_validator(mode="after")
    def _one_model(self) -> EndpointStep:
        url = self.endpoint.url if self.endpoint else None
        if self.service is None and self.endpoint is None:
            if not self.model:
                raise ValueError("set `model`, `service` or `endpoint`")
            return self
        if self.service is None and url is None:
            raise ValueError("`endpoint` needs `url`, unless `service` is set")
        if self.service is not None and url is not None:
            raise ValueError("set either `service` or `endpoint.url`")
        if local := sorted((self.model_fields_set & _LOADING) - self._sent()):
            names = ", ".join(f"`{type(self).model_fields[name].alias or name}`" for name in local)
            raise ValueError(f"{names} cannot be set with `service` or `endpoint`, where the server decides")
        return self

    def _sent(self) -> frozenset[str]:
        """Parameters of models that also apply to requests."""
        return frozenset()

    def remote(self) -> bool:
        """True if the model is that of a server."""
        return self.service is not None or self.endpoint is not None

    def accelerated(self) -> bool:
        """Unless the model is that of a server."""
        return not self.remote() and super().accelerated()

    def needs(self) -> ModelResources:
        """A single process sends all requests of a stage, so that limits apply to all of them together."""
        return ModelResources(0, 0, 1, 1, 0) if self.remote() else super().needs()

    def target(self) -> Target:
        """Where requests are sent."""
        e = self.endpoint or Endpoint()
        return Target(
            self.task,
            e.url,
            self.service,
            e.model,
            e.key_from.variable if e.key_from else None,
            e.concurrency,
            e.requests_per_minute,
            e.tokens_per_minute,
            e.timeout_seconds,
            e.retry_seconds,
            e.images == "url",
            self.texts_per_request(),
        )

    def texts_per_request(self) -> int:
        """The number of rows of a request."""
        return 1

    def loads(self) -> str:
        """Steps with the same endpoint share its limits."""
        return repr(self.target()) if self.remote() else super().loads()

    def setup(self, device: Device) -> Engine:
        """Start the engine. That of an endpoint loads nothing."""
        if not self.remote():
            return super().setup(device)
        from datajob.operators.inference._endpoints.engine import EndpointEngine

        return EndpointEngine(self.target())

    def secrets(self) -> dict[str, tuple[str, str]]:
        """The Secret with the API key."""
        source = self.endpoint.key_from if self.endpoint else None
        if source is None or source.secret is None:
            return {}
        return {source.variable: (source.secret.name, source.secret.key)}

    def identity(self) -> Any:
        """Of an endpoint, only the parameters on which answers depend."""
        key, parameters, *others = super().identity()
        if parameters.get("endpoint"):
            parameters = {**parameters, "endpoint": {name: parameters["endpoint"][name] for name in _ANSWER_RELEVANT}}
        return [key, parameters, *others]

    def used(self, answers: Sequence[Answer | RequestError]) -> tuple[EndpointUse, ...]:
        """What the requests used, if the model is that of a server."""
        if not self.remote():
            return ()
        costs = [cost for a in answers if (cost := a.cost if isinstance(a, RequestError) else a) is not None]
        prompts, tokens = sum(c.prompt_tokens for c in costs), sum(c.tokens for c in costs)
        requests = sum(c.requests for c in costs)
        tokens = 0 if self.task == "embed" else tokens
        price = self.endpoint.price if self.endpoint else None
        return (
            EndpointUse(
                endpoint=self.service or (self.endpoint.url if self.endpoint else None) or "",
                model=(self.endpoint.model if self.endpoint else None) or "",
                requests=requests,
                retries=requests - sum(1 for c in costs if c.requests),
                input_tokens=prompts,
                output_tokens=tokens,
                wait_seconds=math.fsum(c.waited for c in costs),
                cost=None if price is None else (prompts * price.input + tokens * price.output) / _TOKENS_PER_PRICE,
            ),
        )
