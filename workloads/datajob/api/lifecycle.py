"""Fields of a spec that control when and how often a job runs, but not what it does."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Lifecycle:
    """Marks a field of a spec that can change while the job runs, without a new run."""


def lifecycle_fields(model: type[BaseModel]) -> frozenset[str]:
    """The names of the fields of `model` that are marked with `Lifecycle`."""
    fields: Mapping[str, FieldInfo] = model.model_fields
    return frozenset(name for name, field in fields.items() if any(isinstance(mark, Lifecycle) for mark in field.metadata))
