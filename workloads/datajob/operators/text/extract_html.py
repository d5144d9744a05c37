"""extractHtml: extract the main text of HTML pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class ExtractHtml(Map):
    """Extract the main text of HTML pages, without menus, advertising and other boilerplate.

    FineWeb uses trafilatura; resiliparse is several times faster. A page without main text becomes an empty text, and null
    stays null. Requires the package of the chosen engine.

    Example:

        - extractHtml: {column: html, output: text, format: markdown}
    """

    column: Column = Field(default="html", description="Column with the page, as text or UTF-8 bytes.")
    output: NewColumn = Field(default="text", description="Column (string) for the text.")
    engine: Literal["trafilatura", "resiliparse"] = Field(default="trafilatura", description="Library to use.")
    format: Literal["text", "markdown"] = Field(default="text", description="Output format; Markdown requires trafilatura.")
    favor: Literal["balance", "precision", "recall"] = Field(
        default="precision", description="Extract less text (`precision`) or more (`recall`) when in doubt; trafilatura only."
    )
    comments: bool = Field(default=False, description="Keep user comments.")
    tables: bool = Field(default=True, description="Keep tables; trafilatura only.")
    links: bool = Field(default=False, description="Keep link targets.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the text column."""
        import pyarrow as pa

        from datajob.operators.strings.column import text_array, with_column

        extract = self._extractor()
        pages: list[Any] = text_array(batch, self.column).to_pylist()
        texts = [None if page is None else (extract(page) or "") if page.strip() else "" for page in pages]
        return with_column(batch.table, self.output, pa.array(texts, pa.string()))

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
