"""The data that operators receive and return: batches, verdicts, limits, model outputs.

The engine and all operators share these types.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from operator import index
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

T = TypeVar("T")


class Batch:
    """An Arrow table, with the data that operators derived from its columns.

    Consecutive operators that need the same derived data, such as the words of a text column, share it by `derive`.
    """

    def __init__(self, table: pa.Table, alive: NDArray[np.bool_] | None = None) -> None:
        self.table = table
        self.alive = alive
        """Rows that earlier filters kept (None: all). Infallible filters can skip the others; their verdict is ignored."""
        self.failures: dict[int, str] = {}
        """Reason of each failed row, by its position. Filled by `fail`."""
        self._derived: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def fail(self, row: int, reason: str) -> None:
        """Fail the row at a position of the batch: it is counted and stored as `errors.policy` of the job requires.

        The operator does not run again for the other rows. What it returns for the failed row is ignored; an operator that
        returns any number of rows for each row leaves it out. If a row fails twice, the first reason counts.

        Start `reason` with one word that classifies the error, such as `tooLarge: the image has 3 GB`. A position outside
        the batch is an IndexError, and an empty reason a ValueError.
        """
        position = index(row)
        if not 0 <= position < len(self):
            raise IndexError(f"row {position} cannot fail: the batch has {len(self)} rows")
        if not reason:
            raise ValueError(f"row {position} cannot fail without a reason")
        self.failures.setdefault(position, str(reason))

    def array(self, column: str) -> pa.Array:
        """The column as one contiguous Arrow array (combined once, then shared)."""

        def combine() -> pa.Array:
            import pyarrow as pa

            chunked = self.table.column(column)
            if chunked.num_chunks == 1:
                return chunked.chunk(0)
            return pa.concat_arrays(chunked.chunks) if chunked.num_chunks else pa.nulls(0, chunked.type)

        return self.derive(("array", column), combine)

    def derive(self, key: Hashable, build: Callable[[], T]) -> T:
        """`build()`, or the value that an earlier operator built under the same key for this table."""
        if key not in self._derived:
            self._derived[key] = build()
        value: T = self._derived[key]
        return value


@dataclass(frozen=True)
class Verdict:
    """The decision of a filter for each row of a batch.

    `codes` has one integer per row: 0 keeps the row, i > 0 rejects it for `reasons[i - 1]`, the first rule that failed.
    `columns` replaces or adds columns of the same length, such as measures or a text with lines removed.
    """

    codes: NDArray[np.integer[Any]]
    reasons: tuple[str, ...]
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    removed: Mapping[str, NDArray[np.integer[Any]]] = field(default_factory=dict)
    """Number of items that `columns` no longer contain of the lists of each row, by reason."""


@dataclass(frozen=True)
class Bound:
    """A parameter of a filter that limits one of its measures."""

    parameter: str
    """Path of the parameter in the step, as in YAML: `minWords`, `topSequences[0].max`."""
    measure: str
    limit: float
    is_minimum: bool
    """True: rows with a lower measure are rejected; False: rows with a higher measure."""


@dataclass(frozen=True)
class Device:
    """The device that a process runs models on."""

    kind: Literal["any", "cpu", "gpu", "npu"] = "any"
    """`any`: the best available device."""
    count: float = 1.0
    """Number of accelerators (a fraction means a share of one), or of cores of a CPU."""


@dataclass(frozen=True)
class EndpointUse:
    """What requests to an endpoint used."""

    endpoint: str
    """The URL, or the name of a service."""
    model: str = ""
    """Empty if it is the only one of the server."""
    requests: int = 0
    retries: int = 0
    """Requests after the first one for the same rows."""
    input_tokens: int = 0
    output_tokens: int = 0
    wait_seconds: float = 0.0
    """Time before requests were repeated, summed over all rows."""
    cost: float | None = None
    """None if there is no price."""


@dataclass(frozen=True)
class ModelResources:
    """The resources of an actor, which loads one copy of a model, and the number of actors."""

    accelerators: float = 1.0
    cpus: float = 1.0
    min_actors: int | None = None
    """None: as many as fit the minimum size of the accelerator group."""
    max_actors: int | None = None
    """None: as many as fit the maximum size of the accelerator group."""
    memory: int | None = None
    """Host memory of an actor in bytes; None if unknown."""


@dataclass(frozen=True)
class Inferred:
    """The outputs of a model for the rows of a batch."""

    columns: Mapping[str, pa.Array]
    """New or replaced columns, one value per row; the values of failed rows are ignored."""
    failed: Mapping[int, str] = field(default_factory=dict)
    """Reason of each failed row, by its position. The engine adds the rows that the model failed with `Batch.fail`."""
    reused: int = 0
    """Number of rows whose outputs came from the cache."""
    used: tuple[EndpointUse, ...] = ()
    """What requests to endpoints used, including those whose answers came from the cache."""


class ModelOutputCache(Protocol):
    """The outputs of a model for the rows of a shard, which survive the process until the shard is committed."""

    @property
    def known(self) -> Mapping[str, Mapping[str, Any]]:
        """Outputs of earlier attempts, as plain data, by a key of the content of the row."""

    def store(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Write outputs soon. Most calls create a file or an object."""

    def flush(self) -> None:
        """Write outputs now: the process may not continue."""
