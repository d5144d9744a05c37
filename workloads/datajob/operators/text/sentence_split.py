"""sentenceSplit: split texts into sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.operators.text._sentences import Abbreviations, sentences_of
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class SentenceSplit(Map):
    """Split texts into a list of sentences; add an `explode` step for one row per sentence.

    Sentence boundaries follow Unicode (UAX #29): a sentence ends after an end mark of any script and any closing quotation
    marks, or at a newline. Decimals, addresses such as `www.example.com`, a full stop before a lowercase word
    and initials such as `J.` do not end a sentence. Sentences are stripped of whitespace. Null stays null.

    Example:

        - sentenceSplit: {output: sentence}
        - explode: {column: sentence}
    """

    column: Column = Field(default="text", description="Text column.")
    output: NewColumn = Field(default="sentences", description="Column (list of strings) for the sentences.")
    abbreviations: Abbreviations = ()

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the list column."""
        import pyarrow as pa

        from datajob.operators.strings.column import pieces, text_of, with_column

        rows, starts, stops = sentences_of(batch, self.column, self.abbreviations)
        sentences = pieces(text_of(batch, self.column), starts, stops).cast(pa.large_string())
        null = batch.array(self.column).is_null()
        lists = pa.LargeListArray.from_arrays(pa.array(rows), sentences, mask=null if null.true_count else None)
        return with_column(batch.table, self.output, lists.cast(pa.list_(pa.string())))
