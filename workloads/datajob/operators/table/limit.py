"""limit: keeps the first rows."""

from __future__ import annotations

from pydantic import Field

from datajob.operators import base


class Limit(base.Head):
    """Keep the first rows, in the order of the input.

    Example:

        - limit: {count: 1000}
    """

    count: int = Field(ge=0, description="How many rows to keep.")

    def rows(self) -> int:
        """How many rows to keep."""
        return self.count
