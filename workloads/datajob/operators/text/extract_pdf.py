"""Extraction of the text of PDF files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from datajob.errors import InputError
from datajob.operators.base import Map
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch

HYPHENATED = "\ufffe"
"""PDFium's sign for a hyphen and a line end that only break a word."""


class ExtractPdf(Map):
    """Extracts the text of PDF files, as it was written into them: scanned pages have none.

    Words broken at line ends are joined again. A file without text gives an empty text, null stays null. A file that is
    broken or encrypted fails for its row (see `errors`). Needs the package `pypdfium2`.

    Example:

        - extractPdf: {column: bytes, output: text, pages: 20}
    """

    column: Column = Field(default="bytes", description="The files, as `binaryFiles` reads them.")
    output: NewColumn = Field(default="text", description="Column (string) that gets the text.")
    pages: int | None = Field(default=None, ge=1, description="Read at most so many pages of each file; by default all.")
    page_separator: str = Field(default="\n\n", max_length=100, description="What is written between pages.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the text column. Raises ValueError for a file that cannot be read."""
        import pyarrow as pa

        from datajob.operators.strings.column import with_column

        files: Any = batch.array(self.column)
        kind = files.type
        binary = (
            pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind)
        )
        if not binary and not pa.types.is_null(kind):
            raise InputError(
                f"column `{self.column}` holds {kind}, not bytes: `{self.key}` takes whole PDF files in a binary column, "
                f"as the source `binaryFiles` reads them. Name such a column."
            )
        texts = [None if file is None else self._text(file) for file in files.to_pylist()]
        return with_column(batch.table, self.output, pa.array(texts, pa.string()))

    def _text(self, file: bytes) -> str:
        from datajob.operators.packages import optional

        pdfium = optional("pypdfium2", "pypdfium2", self.key)
        try:
            with pdfium.PdfDocument(file) as document:
                count = min(len(document), self.pages or len(document))
                return self.page_separator.join(_page_text(document[number]) for number in range(count))
        except pdfium.PdfiumError as error:
            if getattr(error, "err_code", None) == pdfium.raw.FPDF_ERR_PASSWORD:
                raise ValueError("the PDF is encrypted and opens with a password only") from error
            raise ValueError(f"the PDF cannot be read ({len(file)} bytes): {error}") from error


def _page_text(page: Any) -> str:
    """The text of a page, lines ended by `\\n`."""
    text: str = page.get_textpage().get_text_range()
    return text.replace("\r\n", "\n").replace(HYPHENATED, "").strip()
