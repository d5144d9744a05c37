"""Base of the operators that remove repeated lines or paragraphs from texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Pieces(NamedTuple):
    """Piece i is in row `rows[i]` and begins with the line at byte `starts[i]`; it is `firsts[i]:ends[i]`, trimmed."""

    rows: NDArray[np.int64]
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def numbers(self) -> NDArray[np.int64]:
        """The position of each piece in its row."""
        import numpy as np

        return np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)


class PieceDedup(ColumnDedup):
    """Base of lineDedup and paragraphDedup."""

    abstract: ClassVar[bool] = True
    paragraphs: ClassVar[bool]

    min_characters: int = Field(default=1, ge=1, description="Minimum length of a piece to remove, in characters.")
    normalize: Literal["none", "whitespace", "casefold", "letters"] = Field(
        default="none",
        description="Differences to ignore when comparing pieces, in addition to surrounding whitespace. `whitespace`: "
        "differences in whitespace. `casefold`: also case. `letters`: everything but letters, accents and digits.",
    )
    reject_empty: bool = Field(default=True, description="Reject texts that become empty.")

    def signatures(self, batch: base.Batch) -> pa.Table:
        """The hash of each piece."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from datajob.operators.dedup._normalize import normalized
        from datajob.operators.hashing.rows import hash_rows

        pieces = self._pieces(batch)
        texts = _texts(batch, self.column, pieces)
        compared = texts if self.normalize == "none" else normalized(texts, self.normalize)
        long_enough = np.asarray(pc.utf8_length(texts)) >= self.min_characters
        chosen = np.flatnonzero(long_enough & (np.asarray(pc.binary_length(compared)) > 0))
        hashes = hash_rows(pa.table({"piece": compared}))
        return pa.table(
            {
                "row": pa.array(pieces.rows[chosen].astype(np.uint32)),
                "key": pa.array(hashes.high[chosen]),
                "check": pa.array(hashes.low[chosen]),
                "piece": pa.array(pieces.numbers()[chosen].astype(np.int32)),
            }
        )

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """All pieces but the first of each hash."""
        import numpy as np
        import pyarrow as pa

        row, key, check, piece = (signatures.column(name).to_numpy() for name in ("row", "key", "check", "piece"))
        order = np.lexsort((piece, row, check, key))
        row, key, check, piece = row[order], key[order], check[order], piece[order]
        new = np.ones(len(row), bool)
        new[1:] = (key[1:] != key[:-1]) | (check[1:] != check[:-1])
        kept = row[np.flatnonzero(new)[np.cumsum(new) - 1]] if len(row) else row
        return pa.table({"row": pa.array(row[~new]), "kept": pa.array(kept[~new]), "piece": pa.array(piece[~new])})

    def remove(self, batch: base.Batch, repeats: pa.Table) -> base.Verdict:
        """The texts without their repeated pieces."""
        import numpy as np

        from datajob.operators.kernels.pieces import without
        from datajob.operators.strings.column import text_array, text_from, text_of

        text, pieces = text_of(batch, self.column, "refuse"), self._pieces(batch)
        drop = np.zeros(len(pieces.rows), np.bool_)
        rows = repeats.column("row").to_numpy()
        drop[np.searchsorted(pieces.rows, rows) + repeats.column("piece").to_numpy()] = True
        drop.flags.writeable = False
        data = np.empty(int(text.offsets[-1] - text.offsets[0]), np.uint8)
        offsets, left = np.empty(len(batch) + 1, np.int64), np.empty(len(batch), np.int64)
        size = without(text, pieces.rows, pieces.starts, pieces.ends, drop, data, offsets, left)
        codes = np.zeros(len(batch), np.int8)
        codes[rows] = (left[rows] == 0) & self.reject_empty
        changed = text_from(data[:size], offsets, text_array(batch, self.column, "refuse"))
        return base.Verdict(codes, (self.reason,), {self.column: self._as_before(changed, batch)})

    def _as_before(self, text: Any, batch: base.Batch) -> Any:
        """`text` in the type of the column, if that is a string type."""
        import pyarrow as pa

        kind = batch.table.schema.field(self.column).type
        return text.cast(kind) if pa.types.is_string(kind) or pa.types.is_large_string(kind) else text

    def _pieces(self, batch: base.Batch) -> Pieces:
        def build() -> Pieces:
            import numpy as np

            from datajob.operators.kernels.pieces import cut
            from datajob.operators.kernels.unicode import classes
            from datajob.operators.strings.column import text_of

            text = text_of(batch, self.column, "refuse")
            most = int(text.offsets[-1] - text.offsets[0])
            pieces = Pieces(*(np.empty(most, np.int64) for _ in range(4)))
            found = cut(text, classes(), self.paragraphs, *pieces)
            pieces = Pieces(*(array[:found] for array in pieces))
            for array in pieces:
                array.flags.writeable = False
            return pieces

        return batch.derive(("pieces", self.column, self.paragraphs), build)


def _texts(batch: base.Batch, column: str, pieces: Pieces) -> Any:
    """The trimmed texts of the pieces, as large_string: every other slice between their bounds."""
    import numpy as np
    import pyarrow as pa

    from datajob.operators.strings.column import text_of

    if not len(pieces.rows):
        return pa.array([], pa.large_string())
    bounds: Any = np.stack([pieces.firsts, pieces.ends], axis=1).reshape(-1)
    data: Any = text_of(batch, column, "refuse").data
    stretches: Any = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    return stretches.take(pa.array(np.arange(0, len(bounds) - 1, 2)))
