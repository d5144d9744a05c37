"""A source: exactly one reader. Used in `sources` of a job and by operators that read a second input."""

from typing import TYPE_CHECKING

from datajob.formats.registry import all_readers
from datajob.one_of import Choice, choice

if TYPE_CHECKING:

    class Source(Choice): ...

else:
    Source = choice("Source", "reader", all_readers(), "A source: exactly one reader.")
