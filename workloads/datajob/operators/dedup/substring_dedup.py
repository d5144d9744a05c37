"""substringDedup: remove repeated passages from texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from datajob.operators import base
from datajob.operators.dedup._against import ColumnDedup
from datajob.operators.strings.words import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class SubstringDedup(ColumnDedup):
    """Remove from texts every passage of at least `words` words that occurs earlier in the same or another text.

    The result is exact, as with the suffix array of Lee et al. 2022; whitespace between words is ignored. Winnowed hashes
    find texts that may share a passage. All texts that are linked by common passages are compared on one worker, which
    needs 12 bytes of memory for each of their words. Texts that become empty are rejected (see `rejectEmpty`).

    Example:

        - substringDedup: {words: 50}
    """

    links: ClassVar[bool] = True

    words: int = Field(default=50, ge=2, le=10_000, description="Minimum length of a passage in words.")
    tokenizer: Tokenizer = "unicode"
    reject_empty: bool = Field(default=True, description="Reject texts that become empty.")

    def confirms(self) -> bool:
        """Always: texts with a common winnowed hash are only candidates."""
        return True

    def signatures(self, batch: base.Batch) -> pa.Table:
        """Winnowed hashes of runs of half as many words: two equal passages share at least one."""
        import numpy as np
        import pyarrow as pa

        from datajob.operators.kernels.windows import winnow

        size = max(1, self.words // 2)
        hashes, bounds = self._windows(batch, size)
        rows, chosen = np.empty(len(hashes), np.int64), np.empty(len(hashes), np.uint64)
        found = winnow(hashes, bounds, self.words - size + 1, rows, chosen)
        return pa.table({"row": pa.array(rows[:found].astype(np.uint32)), "key": pa.array(chosen[:found])})

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """Edges between rows with a common hash; a row that has the same hash twice has an edge to itself."""
        from datajob.operators.dedup._linking import link_equal_keys

        return link_equal_keys(signatures)

    def evidence(self, batch: base.Batch) -> pa.Table:
        """The hashes of all runs of `words` words."""
        import pyarrow as pa

        hashes, bounds = self._windows(batch, self.words)
        offsets: Any = pa.array(bounds)
        values: Any = pa.array(hashes)
        return pa.table({"windows": pa.LargeListArray.from_arrays(offsets, values)})

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """The repeated words, as ranges `begin:end`.

        If a run overlaps the run that it repeats, the words of the earlier run are kept.
        """
        import numpy as np
        import pyarrow as pa

        windows: Any = evidence.column("windows").combine_chunks()
        hashes, bounds = windows.values.to_numpy(), windows.offsets.to_numpy()
        rows, owner = evidence.column("row").to_numpy(), np.repeat(np.arange(evidence.num_rows), np.diff(bounds))
        first = _first_equal(hashes)
        at = np.flatnonzero(first < np.arange(len(first)))
        overlap = np.where(owner[first[at]] == owner[at], first[at] + self.words, 0)
        position = bounds[owner[at]]
        begin, end = np.maximum(at, overlap) - position, at + self.words - position
        new = np.ones(len(at), bool)
        new[1:] = (at[1:] != at[:-1] + 1) | (owner[at[1:]] != owner[at[:-1]])
        runs = np.flatnonzero(new)
        found = {
            "row": rows[owner[at[runs]]],
            "kept": rows[owner[first[at[runs]]]],
            "begin": np.minimum.reduceat(begin, runs) if len(runs) else begin,
            "end": np.maximum.reduceat(end, runs) if len(runs) else end,
        }
        return pa.table({name: pa.array(values) for name, values in found.items()})

    def remove(self, batch: base.Batch, repeats: pa.Table) -> base.Verdict:
        """The texts without their repeated passages and the whitespace that follows each."""
        import numpy as np

        from datajob.operators.kernels.windows import cut_out
        from datajob.operators.strings.column import text_array, text_from, text_of
        from datajob.operators.strings.words import words_of

        text, words = text_of(batch, self.column, "refuse"), words_of(batch, self.column, self.tokenizer, "refuse")
        repeats = repeats.sort_by([("row", "ascending"), ("begin", "ascending")])
        rows, begin, end = (repeats.column(name).to_numpy().astype(np.int64) for name in ("row", "begin", "end"))
        first, behind = words.rows[rows] + begin, words.rows[rows] + end
        starts = text.offsets[rows] + words.starts[first]
        more = behind < words.rows[rows + 1]
        following = words.starts[np.minimum(behind, len(words.starts) - 1)]
        ends = np.where(more, text.offsets[rows] + following, text.offsets[rows + 1])
        starts, ends, rows = _apart(starts, ends, rows)
        data = np.empty(int(text.offsets[-1] - text.offsets[0]), np.uint8)
        bounds = np.empty(len(batch) + 1, np.int64)
        size = cut_out(text.data, text.offsets, rows, starts, ends, data, bounds)
        changed = text_from(data[:size], bounds, text_array(batch, self.column, "refuse"))
        codes = np.zeros(len(batch), np.int8)
        codes[rows] = self._is_blank(changed, rows) & self.reject_empty
        kind = batch.table.schema.field(self.column).type
        return base.Verdict(codes, (self.reason,), {self.column: changed.cast(kind) if "string" in str(kind) else changed})

    def _is_blank(self, texts: Any, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        sizes: NDArray[np.int64] = np.asarray(pc.binary_length(pc.utf8_trim_whitespace(texts.take(pa.array(rows)))))
        return np.equal(sizes, 0)

    def _windows(self, batch: base.Batch, size: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Hashes of all runs of `size` words, and the bounds of each row; read-only."""
        import numpy as np

        from datajob.operators.kernels.windows import window_hashes
        from datajob.operators.strings.words import words_of

        words = words_of(batch, self.column, self.tokenizer, "refuse")
        hashes, bounds = np.empty(len(words.hashes), np.uint64), np.empty(len(batch) + 1, np.int64)
        hashes = hashes[: window_hashes(words.hashes, words.rows, size, bounds, hashes)]
        hashes.flags.writeable = bounds.flags.writeable = False
        return hashes, bounds


def _first_equal(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """For each number, the position of the first equal number."""
    import numpy as np

    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    return first[which]


def _apart(
    starts: NDArray[np.int64], ends: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Ascending ranges, with adjacent ones merged; read-only."""
    import numpy as np

    apart = np.ones(len(starts), bool)
    apart[1:] = (rows[1:] != rows[:-1]) | (starts[1:] > ends[:-1])
    last = np.concatenate([np.flatnonzero(apart)[1:] - 1, [len(starts) - 1]]).astype(np.int64)
    found = starts[apart], ends[last], rows[apart]
    for array in found:
        array.flags.writeable = False
    return found
