"""A source: exactly one reader. Used by the job's `sources` and by operators that read a second input."""

from workloads.choice import Choice, choice
from workloads.formats.registry import all_readers

Source: type[Choice] = choice("Source", "reader", all_readers(), "Where rows come from: exactly one reader key.")
