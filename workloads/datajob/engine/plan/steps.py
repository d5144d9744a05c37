"""A step of a job: an operator and the name that reports use for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from datajob.operators.base import Operator

Kind = TypeVar("Kind", bound=Operator, covariant=True)


@dataclass(frozen=True)
class Step(Generic[Kind]):
    """An operator with its name in reports."""

    name: str
    operator: Kind
