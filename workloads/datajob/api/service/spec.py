"""The spec of a ModelService: which model, how many replicas, on which hardware, for whom, and within which limits."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from datajob.api.placement import Name, PodGroup, Quantity
from datajob.api.resources import AcceleratorPods, PodRuntime
from datajob.api.service.model import ALTERNATIVES, ServedModel
from datajob.parameters import Parameters, cel, in_words

MAX_BODY_MEGABYTES = 1024
MAX_RATE = 1_000_000_000_000
_HOST = r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$"
_HOST_WORDS = "must be the full name of a host in lowercase, without scheme, port, path and wildcards"
_OBJECT = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_OBJECT_WORDS = "must consist of lowercase letters, digits, hyphens and dots, and start and end with a letter or a digit"


class Replicas(Parameters):
    """The replicas of the model. Each one runs in a pod of its own, with one copy of the model."""

    model_config = ConfigDict(json_schema_extra=cel("self.min <= self.max", "min must not exceed max"))

    min: int = Field(
        default=1, ge=0, le=1000, description="Minimum number of replicas. With 0, the first request starts a replica."
    )
    max: int = Field(
        default=1, ge=1, le=1000, description="Maximum number of replicas; if it exceeds `min`, Ray's autoscaler is enabled."
    )
    target: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Number of requests in progress per replica that the autoscaler aims for; by default, the size of a batch.",
    )
    idle_seconds: int = Field(
        default=600, ge=1, le=86_400, description="Seconds with fewer requests after which a replica is removed."
    )

    @model_validator(mode="after")
    def _min_not_above_max(self) -> "Replicas":
        if self.min > self.max:
            default = "" if "max" in self.model_fields_set else ", the default"
            raise ValueError(f"`min` ({self.min}) must not exceed `max` ({self.max}{default})")
        return self


class ServiceHead(PodGroup):
    """The Ray head pod. It runs no replica."""

    cpu: Quantity = Field(default="1", description="CPU request.")
    memory: Quantity = Field(default="4Gi", description="Memory request and limit.")


class ReplicaPods(PodGroup):
    """The pods of replicas without accelerators."""

    cpu: Quantity = Field(default="4", description="CPU request of each replica; its engine uses as many threads.")
    memory: Quantity = Field(default="16Gi", description="Memory request and limit of each replica.")


class ServiceResources(Parameters):
    """Hardware of a service, as in a DataJob, except that `replicas` states the number of workers."""

    hints: ClassVar[Mapping[str, str]] = {"accelerator": "write `accelerator: {type: gpu}` or `accelerator: {type: npu}`"}

    head: ServiceHead = Field(default=ServiceHead(), description="The Ray head pod, which runs no replica.")
    workers: ReplicaPods = Field(
        default=ReplicaPods(), description="The pods of replicas without accelerators; unused if `accelerator` is set."
    )
    accelerator: AcceleratorPods | None = Field(
        default=None, description="The pods of replicas with accelerators; by default, replicas use the CPU."
    )


class KeyLimits(Parameters):
    """What a client with a key may do. The limits of requests and tokens hold for each replica."""

    requests_per_minute: int | None = Field(
        default=None, ge=1, le=MAX_RATE, description="Maximum number of requests per minute."
    )
    tokens_per_minute: int | None = Field(
        default=None, ge=1, le=MAX_RATE, description="Maximum number of tokens of prompts and answers per minute."
    )
    concurrency: int | None = Field(default=None, ge=1, le=100_000, description="Maximum number of requests in progress.")
    models: tuple[Name, ...] | None = Field(
        default=None, min_length=1, max_length=64, description="Names of models that the key may use; by default, all."
    )


class Auth(Parameters):
    """Who may send requests."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.secretName) != self.anonymous", "exactly one of secretName and anonymous: true is required"
        )
    )

    secret_name: Annotated[Name, Field(pattern=_OBJECT), in_words(_OBJECT, _OBJECT_WORDS)] | None = Field(
        default=None,
        description="Secret with one entry per API key: its name, and the key or `sha256:` with its digest. Changes apply "
        "without a restart.",
    )
    anonymous: bool = Field(default=False, description="Whether requests need no API key. For closed networks and tests.")
    keys: dict[Name, KeyLimits] = Field(default={}, max_length=256, description="Limits of keys, by the name in the Secret.")

    @model_validator(mode="after")
    def _keys_or_anonymous(self) -> "Auth":
        if (self.secret_name is not None) == self.anonymous:
            raise ValueError("exactly one of `secretName` and `anonymous: true` is required")
        if self.anonymous and self.keys:
            raise ValueError("`keys` requires `secretName`")
        return self


class RequestLimits(Parameters):
    """Limits of requests. A request that exceeds one is refused before it costs the model time."""

    concurrent_requests: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Maximum number of requests in progress per replica; by default, four batches. Others receive 429.",
    )
    queued_tokens: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RATE,
        description="Maximum number of tokens of prompts that wait for a replica; by default unlimited. Others receive 429.",
    )
    body_megabytes: int = Field(default=20, ge=1, le=MAX_BODY_MEGABYTES, description="Maximum size of a request in megabytes.")
    images: int = Field(default=8, ge=0, le=1000, description="Maximum number of images of a request.")
    image_megabytes: int = Field(
        default=10, ge=1, le=MAX_BODY_MEGABYTES, description="Maximum encoded size of an image in megabytes."
    )
    image_megapixels: int = Field(default=50, ge=1, le=2000, description="Maximum number of pixels of an image in millions.")
    choices: int = Field(default=8, ge=1, le=128, description="Maximum number of answers of a request (`n`).")
    output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RATE,
        description="Maximum number of tokens of an answer; by default, the limit of the model.",
    )


class MediaAccess(Parameters):
    """Where images of requests may come from. Images in the request itself (data URLs) are always accepted."""

    allowed_hosts: tuple[Annotated[str, Field(max_length=253, pattern=_HOST), in_words(_HOST, _HOST_WORDS)], ...] = Field(
        default=(),
        max_length=64,
        description="Exact names of hosts whose images are downloaded by https; by default, no host.",
    )


class ServiceRoute(Parameters):
    """An HTTPRoute of the Gateway API for the service."""

    gateway: Name = Field(description="Name of the Gateway.")
    gateway_namespace: Name | None = Field(
        default=None, description="Namespace of the Gateway; by default, that of the service."
    )
    hostnames: tuple[Annotated[str, Field(min_length=1, max_length=253)], ...] = Field(
        default=(), max_length=16, description="Names of hosts whose requests are routed to the service; by default, all."
    )


class ServiceRestart(Parameters):
    """Loads the model again, also after it failed to load."""

    id: str = Field(min_length=1, max_length=63, description="Any text, such as a date. Each change loads the model again.")


class ModelServiceSpec(Parameters):
    """The model to serve, on which hardware, for whom, and within which limits."""

    hints: ClassVar[Mapping[str, str]] = {
        "auth": "write `auth: {secretName: NAME}`, or `auth: {anonymous: true}` if requests need no API key",
        "model": "write `model: {textGeneration: {model: NAME}}`, or another model key",
        "replicas": "write `replicas: {min: 1, max: 1}`",
        "steps": "a service has one `model` instead of steps",
        **{key: f"nest `{key}` under `model:`" for key in ALTERNATIVES},
    }

    model: ServedModel = Field(description="The model: the block of a step of a DataJob without its columns and its prompt.")
    name: Name | None = Field(default=None, description="Name of the model for clients; by default, the name of the service.")
    replicas: Replicas = Field(default=Replicas(), description="Number of replicas.")
    resources: ServiceResources = Field(default=ServiceResources(), description="Hardware of the service.")
    runtime: PodRuntime = Field(default=PodRuntime(), description="Image, environment and volumes of the pods.")
    auth: Auth = Field(description="Who may send requests: clients with a key, or everyone.")
    limits: RequestLimits = Field(default=RequestLimits(), description="Limits of requests.")
    media: MediaAccess = Field(default=MediaAccess(), description="Where images of requests may come from.")
    route: ServiceRoute | None = Field(default=None, description="HTTPRoute to create; by default none.")
    update: Literal["replace", "surge", "newCluster"] = Field(
        default="replace",
        description="How a new model is rolled out. `replace` stops replicas first, `surge` starts new replicas first, and "
        "`newCluster` starts a second Ray cluster first. The last two need twice the hardware during an update.",
    )
    suspend: bool = Field(default=False, description="If true, all pods are deleted. The address of the service remains.")
    restart: ServiceRestart | None = Field(default=None, description="Load the model again whenever this field changes.")
