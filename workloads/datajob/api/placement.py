"""The placement of the pods of a worker group or the head, and their temporary storage."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from datajob.api.affinity import Affinity, LabelSelector
from datajob.parameters import Parameters, cel

_QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$"

Quantity = Annotated[
    str,
    BeforeValidator(lambda v: str(v) if isinstance(v, int | float) and not isinstance(v, bool) else v),
    Field(pattern=_QUANTITY),
    WithJsonSchema(
        {"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": _QUANTITY, "x-kubernetes-int-or-string": True},
    ),
]
"""A Kubernetes resource quantity such as `500m` or `16Gi`."""

OPEN: dict[str, Any] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
OpenObject = Annotated[dict[str, Any], WithJsonSchema(OPEN)]
"""A block that is passed to Kubernetes unchanged (environment variable, volume)."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
Labels = Annotated[dict[str, str], Field(max_length=64)]


class Toleration(Parameters):
    """A taint that the pods tolerate."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.operator) || self.operator != 'Exists' || !has(self.value)", "operator Exists does not allow a value"
        )
    )

    key: str | None = Field(default=None, description="Key of the taint; by default, with `operator: Exists`, all keys.")
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="`Exists` tolerates all values of the key, `Equal` (default) only `value`."
    )
    value: str | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; by default, all effects."
    )
    toleration_seconds: int | None = Field(
        default=None, description="Seconds after which a pod is evicted because of a taint with the effect `NoExecute`."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("`operator: Exists` does not allow a `value`")
        if not self.key and self.operator != "Exists":
            raise ValueError("without a `key`, `operator: Exists` is required")
        if self.toleration_seconds is not None and self.effect != "NoExecute":
            raise ValueError("`tolerationSeconds` requires `effect: NoExecute`")
        return self


class TopologySpread(Parameters):
    """How the pods of a group are spread across zones or nodes."""

    max_skew: int = Field(default=1, ge=1, description="Maximum difference between the numbers of pods in two domains.")
    topology_key: str = Field(
        min_length=1,
        description="Node label whose values are the domains, such as `topology.kubernetes.io/zone`.",
    )
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        default="DoNotSchedule", description="What to do with a pod that does not fit."
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Pods to count; by default, the pods of this group of the job."
    )
    match_label_keys: tuple[str, ...] = Field(
        default=(), max_length=16, description="Labels whose values the counted pods must share with the new pod."
    )
    min_domains: int | None = Field(default=None, ge=1, description="Minimum number of domains.")
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether to count only nodes that match the node affinity and the node selector."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether to count only nodes whose taints the pod tolerates."
    )


class Scratch(Parameters):
    """The volume for the temporary files of each pod: `/tmp`, with Ray's logs and spilled objects."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "has(self.claimName) ? !has(self.size) && !has(self.storageClassName) : has(self.size)",
            "exactly one of size and claimName is required, and storageClassName requires size",
        )
    )

    size: Quantity | None = Field(
        default=None,
        description="Size of the volume. Without `storageClassName`, it is on the disk of the node: the scheduler reserves the "
        "space, and a pod that exceeds it is evicted.",
    )
    storage_class_name: Name | None = Field(
        default=None, description="StorageClass of a volume that is created for each pod and deleted with it."
    )
    claim_name: Name | None = Field(
        default=None,
        description="Existing PersistentVolumeClaim to use instead. Each pod uses a folder that is named like the pod; the job "
        "does not delete it.",
    )

    @model_validator(mode="after")
    def _one_volume(self) -> "Scratch":
        if (self.size is None) == (self.claim_name is None):
            raise ValueError("exactly one of `size` and `claimName` is required")
        if self.claim_name and self.storage_class_name:
            raise ValueError("`storageClassName` requires `size` and excludes `claimName`")
        return self


class PodGroup(Parameters):
    """The resources and the placement of the pods of a group."""

    cpu: Quantity = Field(default="2", description="CPU request of each pod.")
    memory: Quantity = Field(default="8Gi", description="Memory request and limit of each pod.")
    node_selector: dict[str, str] = Field(default={}, description="Labels that a node must have.")
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=32,
        description="Taints that the pods tolerate, in addition to those of the controller's settings.",
    )
    affinity: Annotated[Affinity, WithJsonSchema(OPEN)] | None = Field(
        default=None, description="Affinity to nodes and pods, as in a Pod."
    )
    topology_spread_constraints: tuple[TopologySpread, ...] = Field(
        default=(), max_length=8, description="How to spread the pods of the group across zones or nodes."
    )
    priority_class_name: Name | None = Field(default=None, description="PriorityClass of the pods.")
    runtime_class_name: Name | None = Field(
        default=None, description="RuntimeClass of the pods, such as `nvidia` where it is not the default of the node."
    )
    scheduler_name: Name | None = Field(default=None, description="Scheduler of the pods, such as `volcano`.")
    image_pull_secrets: tuple[Name, ...] = Field(
        default=(),
        max_length=16,
        description="Names of Secrets with registry credentials, in addition to those of `runtime`.",
    )
    labels: Labels = Field(default={}, description="Labels of the pods.")
    annotations: Labels = Field(default={}, description="Annotations of the pods.")
    scratch: Scratch | None = Field(
        default=None,
        description="Volume for temporary files and spilled objects; by default, the disk of the node without a limit.",
    )
    ephemeral_storage: Quantity | None = Field(
        default=None,
        description="Request and limit of local disk for logs and temporary files; by default, the pods request the `size` of "
        "`scratch` if that is on the disk of the node.",
    )
    shared_memory: Quantity | None = Field(
        default=None,
        description="Size of `/dev/shm`, which contains Ray's object store and counts as memory; by default, `memory`.",
    )
    pod_template: OpenObject | None = Field(
        default=None,
        description="Further fields of the pods (`metadata` and `spec`, as in a Pod), merged like a strategic merge patch. "
        "The Ray container is named `ray-head` or `ray-worker`.",
    )

    @property
    def shares_scratch(self) -> bool:
        """Whether several pods use the same volume for their temporary files."""
        return bool(self.scratch and self.scratch.claim_name)
