"""extractPdf: extract the text of PDF files."""

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
"""PDFium's replacement for a hyphen and line break inside a word."""


class ExtractPdf(Map):
    """Extract the text that PDF files contain; scanned pages have none.

    Words that are hyphenated at the end of a line are joined. A file without text becomes an empty text, and null stays
    null. A row with a corrupt or encrypted file fails (see `errors`). Requires the package `pypdfium2`.

    Example:

        - extractPdf: {column: bytes, output: text, pages: 20}
    """

    column: Column = Field(default="bytes", description="Column with the files, as read by `binaryFiles`.")
    output: NewColumn = Field(default="text", description="Column (string) for the text.")
    pages: int | None = Field(default=None, ge=1, description="Maximum number of pages to read per file; all by default.")
    page_separator: str = Field(default="\n\n", max_length=100, description="Separator between pages.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the text column. Raises ValueError if a file cannot be read."""
        import pyarrow as pa

        from datajob.operators.strings.column import is_bytes, with_column

        files: Any = batch.array(self.column)
        kind = files.type
        if not is_bytes(kind) and not pa.types.is_null(kind):
            raise InputError(
                f"column `{self.column}` contains {kind}, not bytes: `{self.key}` needs a binary column of whole PDF files, "
                f"as read by the source `binaryFiles`. Set `column` to such a column."
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
                raise ValueError("the PDF is encrypted and requires a password") from error
            raise ValueError(f"the PDF cannot be read ({len(file)} bytes): {error}") from error


def _page_text(page: Any) -> str:
    """The text of a page; lines end in `\\n`."""
    text: str = page.get_textpage().get_text_range()
    return text.replace("\r\n", "\n").replace(HYPHENATED, "").strip()
