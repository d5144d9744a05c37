"""limit: keep the first rows."""

from __future__ import annotations

from pydantic import Field

from datajob.operators import base


class Limit(base.Head):
    """Keep the first rows in input order.

    Example:

        - limit: {count: 1000}
    """

    count: int = Field(ge=0, description="Number of rows to keep.")

    def rows(self) -> int:
        """The number of rows to keep."""
        return self.count
