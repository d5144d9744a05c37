"""The kinds of operators: frozen parameters plus one method on Arrow tables.

The class docstring of an operator is its documentation, its fields are its reference page, and the folder of its module
is its modality. pyarrow, numpy and heavier packages are only imported inside methods, so that the controller and
`datajob validate` can load every operator in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from datajob.operators.batch import Batch as Batch
from datajob.operators.batch import Bound as Bound
from datajob.operators.batch import Device as Device
from datajob.operators.batch import EndpointUse as EndpointUse
from datajob.operators.batch import Inferred as Inferred
from datajob.operators.batch import ModelOutputCache as ModelOutputCache
from datajob.operators.batch import ModelResources as ModelResources
from datajob.operators.batch import Verdict as Verdict
from datajob.operators.operator import Operator as Operator
from datajob.operators.operator import Order as Order

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Measures = Mapping[str, "NDArray[Any]"]
"""One number per row, by the name of the measure; NaN if a row has none."""


class Filter(Operator):
    """Keeps or rejects rows, with a reason for each rejected row; can also write columns.

    A filter that compares measures with limits implements `bounds` and `measures`. `analyze` then reports the
    distributions, the rows that each limit rejects, and suggested limits.
    """

    abstract: ClassVar[bool] = True

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        raise NotImplementedError

    def bounds(self) -> tuple[Bound, ...]:
        """The limits; none by default."""
        return ()

    def measures(self, batch: Batch) -> Measures:
        """The measures in `bounds` of all rows, regardless of the decision of `keep`."""
        return {}


class Observe(Operator):
    """Measures rows without changing or rejecting them; the report contains the distributions.

    `filters` returns the filters to measure; `observe` can add other measures under other names.
    """

    abstract: ClassVar[bool] = True

    def compared(self) -> None:
        """All columns: the filters to measure need some that are not parameters of this step."""

    def filters(self) -> Mapping[str, Filter]:
        """The filters to measure, by their names in the report."""
        return {}

    def job_filters(self) -> Mapping[str, Filter]:
        """The filters that are steps of the job, with its limits."""
        return {}

    def with_job_filters(self, filters: Mapping[str, Filter]) -> Observe:
        """This step in a job with these filters, by step name; it can measure with their parameters. By default, itself."""
        return self

    def observe(self, batch: Batch) -> Mapping[str, Measures]:
        """The measures of all rows of `batch`, by the name of their filter."""
        return {name: measured.measures(batch) for name, measured in self.filters().items()}


class Map(Operator):
    """Changes columns, but not the number or the order of rows."""

    abstract: ClassVar[bool] = True

    def apply(self, batch: Batch) -> pa.Table:
        """The new table, with the same number of rows as `batch`."""
        raise NotImplementedError


class FlatMap(Operator):
    """Turns each row into any number of rows."""

    abstract: ClassVar[bool] = True

    def expand(self, batch: Batch) -> pa.Table:
        """The new rows, in the order of the original rows; none for the rows that it fails."""
        raise NotImplementedError


class Model(Operator):
    """Runs a model, which `setup` loads once per process, on tables; keeps the number and the order of rows.

    Several threads call `infer` with the same model at the same time, so that one table is read and prepared while the
    model processes another.
    """

    abstract: ClassVar[bool] = True

    def compared(self) -> None:
        """All columns: rows move to the processes of the model."""

    def accelerated(self) -> bool:
        """True if the step must run on the accelerators of the job, if it has any."""
        return True

    def remote(self) -> bool:
        """True if `setup` loads no model but connects to a server. One process serves all rows of a stage."""
        return False

    def needs(self) -> ModelResources:
        """The resources of each actor and the number of actors."""
        return ModelResources()

    def loads(self) -> str:
        """Identifies what `setup` loads: steps with equal values share one copy."""
        return repr((type(self).__module__, self.key, self.model_dump(mode="json")))

    def setup(self, device: Device) -> Any:
        """Load the model; called once in each process. The report contains its attribute `description`, if any.

        Raises InvalidJob if the model does not exist or does not suit the step.
        """
        raise NotImplementedError

    def preparation(self, model: Any) -> Any:
        """What `prepare` needs, if other processes can prepare rows for the loaded model; otherwise None. Must be picklable."""
        return None

    def prepare(self, batch: Batch, preparation: Any) -> pa.Table:
        """The table for `infer` with expensive work on CPUs done, such as decoding. Called by the process that read the rows.

        Must keep the rows, their order, the types of the columns, and the outputs of the model. Is called for small tables, so
        its memory per row may be large while it runs, but what it returns should not be.
        """
        return batch.table

    def infer(self, batch: Batch, model: Any, cache: ModelOutputCache | None = None) -> Inferred:
        """The model's columns for all rows of a batch, which can be empty; only the rows that it cannot process fail.

        If inference is expensive, it reads `cache` before it calls the model, and stores the outputs of the model there.
        """
        raise NotImplementedError


class ModelFilter(Model, Filter):
    """Decides by the columns that `infer` adds. Those that are not among the outputs of the step are removed afterwards."""

    abstract: ClassVar[bool] = True

    def only_measuring(self, column: str) -> ModelFilter:
        """This step without a decision: it writes what `measures` reads to a column, null for rows that it cannot measure."""
        raise NotImplementedError

    def measuring_from(self, column: str) -> ModelFilter:
        """This step, which reads its measure from a column that `only_measuring` wrote."""
        raise NotImplementedError


class Global(Operator):
    """Needs all rows, and therefore ends a stage. Subclass one of the three families below instead."""

    abstract: ClassVar[bool] = True

    def side_sources(self) -> tuple[Any, ...]:
        """Readers of other inputs: the right side of a join, an existing corpus of a deduplication."""
        return ()


class Deduplicate(Global):
    """Removes duplicates: only signatures are exchanged, and each shard is then filtered independently.

    `signatures` runs on every batch. Its rows are exchanged so that equal values of `key` meet in one table, ordered by
    the position of their rows in the input; `resolve` then returns the duplicates. The rows of `side_sources` precede all
    rows of the job and are never part of the result.
    """

    abstract: ClassVar[bool] = True
    reason: ClassVar[str] = "duplicate"

    def signatures(self, batch: Batch) -> pa.Table:
        """Any number of signatures per row: `row` (uint32, position in the batch), `key` (uint64), and what `resolve` needs."""
        raise NotImplementedError

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """The duplicates among all signatures of a set of keys, whose `row` is now the int64 id in the whole input, ascending.

        Returns `row` (int64, to reject), `kept` (int64, the row it repeats) and what `remove` needs; with `links`, edges.
        """
        raise NotImplementedError

    def signing(self) -> Operator | None:
        """A step that computes what `signatures` needs of the rows of the job in a separate column, which is not stored.

        It runs as the other row-local steps: adjacent steps on media share a decode, and several processes share its rows.
        None if `signatures` computes everything.
        """
        return None

    signing_column: ClassVar[str] = "_signed"
    rows_at_a_time: ClassVar[int | None] = None  # of a call of `signatures` or `evidence`, for values that are large
    links: ClassVar[bool] = False
    """True if `resolve` returns edges; only the first row of each connected component is then kept."""

    def confirms(self) -> bool:
        """True if linked rows are only candidates; `confirm` then decides for each connected component."""
        return False

    def evidence(self, batch: Batch) -> pa.Table:
        """The data that `confirm` needs for each row of `batch`, in order. Called for candidates only."""
        raise NotImplementedError

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """Like `resolve`, from the evidence of whole components (`key` is the component, `row` ascending)."""
        raise NotImplementedError

    def remove(self, batch: Batch, repeats: pa.Table) -> Verdict:
        """The decision for a batch, given its duplicates (`row`: position in it, ascending). By default, rejects them."""
        import numpy as np

        codes = np.zeros(len(batch), dtype=np.int8)
        codes[repeats.column("row").to_numpy()] = 1
        return Verdict(codes, (self.reason,))


class Repartition(Global):
    """Distributes rows over partitions, then combines each partition.

    The rows of `side_sources` are distributed together with those of the job, which are source 0.
    """

    abstract: ClassVar[bool] = True
    keeps_rows: ClassVar[bool] = False
    """True if the result has exactly the rows of the job, in another order."""

    def compares(self, source: int) -> Order | None:
        """The columns whose values it needs; the bytes of the others do not move with their rows. None: all columns."""
        return None

    def single_partition(self) -> bool:
        """True if all rows must be in one partition."""
        return False

    def sample(self, batch: Batch) -> pa.Table | None:
        """A small sample of each batch, if `route` needs samples of all batches (range partitioning); otherwise None.

        It leaves out the rows that it fails.
        """
        return None

    def prepare(self, batch: Batch, source: int) -> pa.Table:
        """The part of a batch to distribute, such as fewer columns or partial aggregates; by default all of it.

        It leaves out the rows that it fails.
        """
        return batch.table

    def route(self, prepared: Batch, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """The partition of each prepared row. Rows can only fail here if `prepare` returns one row for each row, in order."""
        raise NotImplementedError

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The result of one partition; `inputs` has one prepared table per source, in input order and possibly empty."""
        raise NotImplementedError


class Head(Global):
    """Keeps the first `rows()` rows in input order."""

    abstract: ClassVar[bool] = True

    def rows(self) -> int:
        """The number of rows to keep."""
        raise NotImplementedError


class Ranking(Global):
    """Keeps the rows with the highest ranks. Only ranks are exchanged; rows stay in their shards and keep their order."""

    abstract: ClassVar[bool] = True

    def ranks(self, batch: Batch) -> NDArray[np.float64]:
        """The rank of each row; NaN if it has none, in which case it is rejected. Equal rows must have equal ranks."""
        raise NotImplementedError

    def kept(self, rows: int) -> int:
        """The number of rows to keep of this number of rows that have a rank. Of equal ranks, the first rows are kept."""
        raise NotImplementedError
