"""paragraphDedup: paragraphs that occur again."""

from typing import ClassVar

from datajob.operators.dedup._pieces import PieceDedup


class ParagraphDedup(PieceDedup):
    """Take out of texts every paragraph that occurs earlier, in the same text or in another one, so that each stays once.

    Paragraphs are runs of lines between blank ones. One goes with the blank lines that follow it; texts of which nothing
    is left are dropped (`dropEmpty`).

    Example:

        - paragraphDedup: {minCharacters: 40, normalize: whitespace}
    """

    paragraphs: ClassVar[bool] = True
