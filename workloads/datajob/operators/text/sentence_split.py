"""sentenceSplit: split texts into sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from datajob.operators.base import Map
from datajob.parameters import Column, NewColumn

if TYPE_CHECKING:
    import pyarrow as pa

    from datajob.operators.base import Batch


class SentenceSplit(Map):
    """Split texts into a list of sentences; add an `explode` step for one row per sentence.

    A sentence ends after an end mark of any script and a closing quotation mark, if any, or at a newline. Initials such as
    `J.` do not end a sentence. Sentences are stripped of white space. Null stays null.

    Example:

        - sentenceSplit: {output: sentence}
        - explode: {column: sentence}
    """

    column: Column = Field(default="text", description="Text column.")
    output: NewColumn = Field(default="sentences", description="Column (list of strings) for the sentences.")

    def apply(self, batch: Batch) -> pa.Table:
        """The table with the list column."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.kernels.sentences import split_sentences
        from datajob.operators.kernels.unicode import classes
        from datajob.operators.strings.column import pieces, text_of, with_column

        text = text_of(batch, self.column)
        size = int(text.offsets[-1] - text.offsets[0])
        rows, starts, stops = np.empty(len(batch) + 1, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
        found = split_sentences(text, classes(), rows, starts, stops)
        sentences = pieces(text, starts[:found], stops[:found]).cast(pa.large_string())
        null = batch.array(self.column).is_null()
        lists = pa.LargeListArray.from_arrays(pa.array(rows), sentences, mask=null if null.true_count else None)
        return with_column(batch.table, self.output, lists.cast(pa.list_(pa.string())))
