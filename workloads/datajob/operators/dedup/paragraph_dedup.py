"""paragraphDedup: remove repeated paragraphs from texts."""

from typing import ClassVar

from datajob.operators.dedup._pieces import PieceDedup


class ParagraphDedup(PieceDedup):
    """Remove from texts every paragraph that occurs earlier in the same or another text.

    Blank lines separate paragraphs. A paragraph is removed together with the blank lines that follow it. Texts that become
    empty are rejected (see `rejectEmpty`).

    Example:

        - paragraphDedup: {minCharacters: 40, normalize: whitespace}
    """

    paragraphs: ClassVar[bool] = True
