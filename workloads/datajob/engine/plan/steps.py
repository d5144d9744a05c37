"""A step of a job: an operator with the name it has in reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datajob.operators.base import Operator

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Step:
    """A step with the name it has in reports."""

    name: str
    operator: Operator
