"""lineDedup: lines that occur again."""

from typing import ClassVar

from datajob.operators.dedup._pieces import PieceDedup


class LineDedup(PieceDedup):
    """Take out of texts every line that occurs earlier, in the same text or in another one, so that each line stays once.

    Lines end with a newline; white space around them does not count, and blank ones are kept unless a line before them
    goes: a line goes with the blank ones that follow it. Texts of which nothing is left are dropped (`dropEmpty`).

    Example:

        - lineDedup: {minCharacters: 20}
    """

    paragraphs: ClassVar[bool] = False
