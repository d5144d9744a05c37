"""fileSize: keep rows whose image file has a size within limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Bound
from datajob.operators.media.steps import ImageFilter, min_max

if TYPE_CHECKING:
    from datajob.media.picture import Picture


class FileSize(ImageFilter):
    """Keep rows whose image file has a number of bytes within limits. Nothing is decoded.

    Data-Juicer's `image_size_filter` has no limits by default. LAION rejects files below 5 KB, and the LLaVA-pretrain recipe of
    Data-Juicer files above 124 KB.

    Example:

        - fileSize: {min: 5000, output: size}
    """

    min: int | None = Field(default=1, ge=0, description="Minimum number of bytes.")
    max: int | None = Field(default=None, ge=0, description="Maximum number of bytes.")

    def measure(self, picture: Picture) -> float:
        """The size of the file. An image that an earlier step changed is measured as it is written."""
        return picture.file_size

    def needs_header(self) -> bool:
        """False."""
        return False

    def bounds(self) -> tuple[Bound, ...]:
        """The limits that are set."""
        return min_max(self, "file_size")
