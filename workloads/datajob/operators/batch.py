"""What passes through operators: batches of rows on their way in, verdicts and answers on their way out.

No operator and no engine here: plain data that both know.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

T = TypeVar("T")


class Batch:
    """One Arrow table on its way through a fused segment, with what operators derived from its columns.

    Adjacent operators that need the same derivation (words of a text column, say) share it by `derive`.
    """

    def __init__(self, table: pa.Table, alive: NDArray[np.bool_] | None = None) -> None:
        self.table = table
        self.alive = alive
        """Rows that no earlier filter dropped (None: all). Infallible filters may skip the others: their verdict is ignored."""
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def array(self, column: str) -> pa.Array:
        """The column as one contiguous Arrow array (combined once, then shared)."""

        def combine() -> pa.Array:
            import pyarrow as pa

            chunked = self.table.column(column)
            if chunked.num_chunks == 1:
                return chunked.chunk(0)
            return pa.concat_arrays(chunked.chunks) if chunked.num_chunks else pa.array([], type=chunked.type)

        return self.derive(("array", column), combine)

    def derive(self, key: Hashable, build: Callable[[], T]) -> T:
        """`build()`, or what an earlier operator built under the same key for this very table."""
        if key not in self._derived:
            self._derived[key] = build()
        value: T = self._derived[key]
        return value


@dataclass(frozen=True)
class Verdict:
    """What a filter decided for each row of a batch.

    `codes` has one int per row: 0 keeps the row, i > 0 drops it for `reasons[i - 1]` (the first rule that failed).
    `columns` replaces or adds columns (same length as the batch): measures, or a text with lines removed.
    """

    codes: NDArray[np.integer[Any]]
    reasons: tuple[str, ...]
    columns: Mapping[str, pa.Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Device:
    """What a process was given to run models on."""

    kind: Literal["any", "cpu", "gpu", "npu"] = "any"
    """`any`: the best that is there."""
    count: float = 1.0
    """Accelerators (less than one: a share of one); of a CPU, cores."""


@dataclass(frozen=True)
class ModelResources:
    """What one copy of a model wants, and how many copies there should be."""

    accelerators: float = 1.0
    cpus: float = 1.0
    least: int | None = None
    """Fewest actors; None: as many as the accelerator group has at its smallest."""
    most: int | None = None
    memory: int | None = None
    """Bytes of a process that holds a copy in host memory; None: unknown."""


@dataclass(frozen=True)
class Inferred:
    """What a model made of the rows of a batch."""

    columns: Mapping[str, pa.Array]
    """New or replaced columns, one value per row; those of failed rows do not matter."""
    failed: Mapping[int, str] = field(default_factory=dict)
    """Position and reason of each row that the model could not take."""
    reused: int = 0
    """Rows whose answers were there from an earlier attempt."""


class ModelCache(Protocol):
    """What a model said of rows, kept beyond the death of its process until their shard is done."""

    @property
    def known(self) -> Mapping[str, Mapping[str, Any]]:
        """Answers of an earlier attempt (plain data), by a key that stands for the content of the row."""

    def keep(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Write answers; a file or an object each time."""
