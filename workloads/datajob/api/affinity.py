"""Affinity and label selectors with the fields of Kubernetes. The CRD keeps affinities open; these models check them."""

from typing import Literal

from pydantic import Field, model_validator

from datajob.parameters import Parameters


class LabelRequirement(Parameters):
    """A condition on a label."""

    key: str = Field(min_length=1, description="Name of the label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How the label is compared with `values`.")
    values: tuple[str, ...] = Field(default=(), description="Values for `In` and `NotIn`.")

    @model_validator(mode="after")
    def _values_with_operator(self) -> "LabelRequirement":
        _check_values(self.operator, self.values)
        return self


class LabelSelector(Parameters):
    """The labels of the pods to select."""

    match_labels: dict[str, str] = Field(default={}, description="Labels and their values.")
    match_expressions: tuple[LabelRequirement, ...] = Field(default=(), max_length=16, description="Conditions on labels.")


class NodeRequirement(Parameters):
    """A condition on a label or a field of a node."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _values_with_operator(self) -> "NodeRequirement":
        _check_values(self.operator, self.values)
        return self


class NodeTerm(Parameters):
    """Conditions that a node must meet."""

    match_expressions: tuple[NodeRequirement, ...] = ()
    match_fields: tuple[NodeRequirement, ...] = ()


class NodeSelector(Parameters):
    """Alternatives, one of which a node must meet."""

    node_selector_terms: tuple[NodeTerm, ...] = Field(min_length=1)


class PreferredNode(Parameters):
    """A preference for nodes."""

    weight: int = Field(ge=1, le=100)
    preference: NodeTerm


class NodeAffinity(Parameters):
    """Requirements and preferences for nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNode, ...] = ()


class PodTerm(Parameters):
    """Pods, and the domain that is shared with them."""

    topology_key: str = Field(min_length=1)
    label_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class PreferredPods(Parameters):
    """A preference for the domains of pods."""

    weight: int = Field(ge=1, le=100)
    pod_affinity_term: PodTerm


class PodAffinity(Parameters):
    """Requirements and preferences for the domains of other pods."""

    required_during_scheduling_ignored_during_execution: tuple[PodTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = ()


class Affinity(Parameters):
    """Affinity to nodes and pods."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


def _check_values(operator: str, values: tuple[str, ...]) -> None:
    if operator in ("In", "NotIn") and not values:
        raise ValueError(f"`operator: {operator}` requires `values`")
    if operator in ("Exists", "DoesNotExist") and values:
        raise ValueError(f"`operator: {operator}` does not allow `values`")
    if operator in ("Gt", "Lt") and len(values) != 1:
        raise ValueError(f"`operator: {operator}` requires exactly one value")
