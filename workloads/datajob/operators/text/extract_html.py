"""extractHtml: extract the main text of HTML pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from datajob.operators.base import Map
from datajob.operators.strings.charset import UndecodableError, codec_of, declared, decode, decode_page
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class ExtractHtml(Map):
    """Extract the main text of HTML pages, without menus, advertising and other boilerplate.

    FineWeb uses trafilatura; resiliparse is several times faster. A page without main text becomes an empty text, and null
    stays null. Pages given as bytes are decoded as a browser would decode them. Requires the package of the chosen engine.

    Example:

        - extractHtml: {column: html, output: text, format: markdown}
    """

    column: Column = Field(default="html", description="Column with the page, as text or as bytes in any encoding.")
    output: NewColumn = Field(default="text", description="Column (string) for the text.")
    engine: Literal["trafilatura", "resiliparse"] = Field(default="trafilatura", description="Library to use.")
    format: Literal["text", "markdown"] = Field(default="text", description="Output format; Markdown requires trafilatura.")
    favor: Literal["balance", "precision", "recall"] = Field(
        default="precision", description="Extract less text (`precision`) or more (`recall`) when in doubt; trafilatura only."
    )
    comments: bool = Field(default=False, description="Keep user comments.")
    tables: bool = Field(default=True, description="Keep tables; trafilatura only.")
    links: bool = Field(default=False, description="Keep link targets.")
    encoding: str | None = Field(
        default=None,
        min_length=1,
        description="Encoding of pages given as bytes, such as `gb18030`. The default is the encoding of each page: its byte "
        "order mark, the charset of `contentType`, the charset that the page declares, UTF-8, or the detected encoding.",
    )
    content_type: Column | None = Field(default=None, description="Column with the `Content-Type` header of the HTTP response.")
    undecodable: Literal["fail", "replace"] = Field(
        default="fail",
        description="Pages whose bytes cannot be decoded: fail the row, or `replace` invalid bytes with U+FFFD.",
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        if encoding is not None and codec_of(encoding) is None:
            raise ValueError(f"`{encoding}` is not an encoding; write one such as `utf-8`, `gb18030` or `windows-1252`")
        return encoding

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the text column."""
        import pyarrow as pa

        from datajob.operators.strings.column import with_column

        extract, pages = self._extractor(), self._pages(batch)
        texts = [None if page is None else (extract(page) or "") if page.strip() else "" for page in pages]
        return with_column(batch.table, self.output, pa.array(texts, pa.string()))

    def _pages(self, batch: Batch) -> list[str | None]:
        """The pages as text. Raises UndecodableError for bytes in no known encoding."""
        import pyarrow as pa

        from datajob.operators.strings.column import is_bytes, text_array

        pages: Any = batch.array(self.column)
        pages = pages.dictionary_decode() if isinstance(pages, pa.DictionaryArray) else pages
        if not is_bytes(pages.type):
            return list(text_array(batch, self.column).to_pylist())
        headers = text_array(batch, self.content_type).to_pylist() if self.content_type else [None] * len(batch)
        return [
            None if page is None else self._decoded(page, header)
            for page, header in zip(pages.to_pylist(), headers, strict=True)
        ]

    def _decoded(self, page: bytes, header: str | None) -> str:
        name = codec_of(self.encoding) if self.encoding else None
        try:
            return decode(page, name) if name else decode_page(page, header)
        except UndecodableError:
            if self.undecodable == "fail":
                raise
            return page.decode(name or declared(page, header) or "utf-8", "replace")

    def _extractor(self) -> Callable[[str], str | None]:
        from datajob.operators.packages import optional

        if self.engine == "resiliparse":
            plain = optional("resiliparse.extract.html2text", "resiliparse", self.key).extract_plain_text
            return lambda page: str(plain(page, main_content=True, comments=self.comments, links=self.links))
        trafilatura = optional("trafilatura", "trafilatura", self.key)
        options = {
            "output_format": "markdown" if self.format == "markdown" else "txt",
            "favor_precision": self.favor == "precision",
            "favor_recall": self.favor == "recall",
            "include_comments": self.comments,
            "include_tables": self.tables,
            "include_links": self.links,
            "deduplicate": False,
        }
        return lambda page: trafilatura.extract(page, **options)
