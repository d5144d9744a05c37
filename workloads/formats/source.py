"""A source: exactly one reader. Used by the job's `sources` and by operators that read a second input."""

from typing import TYPE_CHECKING

from workloads.choice import Choice, choice
from workloads.formats.registry import all_readers

if TYPE_CHECKING:

    class Source(Choice): ...

else:
    Source = choice("Source", "reader", all_readers(), "Where rows come from: exactly one reader key.")
