"""lineDedup: remove repeated lines from texts."""

from typing import ClassVar

from datajob.operators.dedup._pieces import PieceDedup


class LineDedup(PieceDedup):
    """Remove from texts every line that occurs earlier in the same or another text.

    Lines end with a newline, and surrounding whitespace is ignored. A line is removed together with the blank lines that
    follow it; other blank lines are kept. Texts that become empty are rejected (see `rejectEmpty`).

    Example:

        - lineDedup: {minCharacters: 20}
    """

    paragraphs: ClassVar[bool] = False
