"""What an operator is: frozen parameters plus one method on Arrow.

An operator's class docstring is its documentation, its fields are its reference page, its module's folder is its
modality. pyarrow, numpy and everything heavier are imported inside methods only, so that the controller and
`datajob validate` can load every operator in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import PrivateAttr

from datajob.operators.batch import Batch as Batch
from datajob.operators.batch import Device as Device
from datajob.operators.batch import Inferred as Inferred
from datajob.operators.batch import ModelCache as ModelCache
from datajob.operators.batch import ModelResources as ModelResources
from datajob.operators.batch import Verdict as Verdict
from datajob.parameters import Parameters, Reads, Writes, marked_columns, named_files

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

Order = tuple[str, ...]


class Operator(Parameters):
    """Base of all operators. Subclass one of the kinds below, not this."""

    key: ClassVar[str] = ""
    """The key in a step, camelCase; by default the class name with a small first letter."""
    abstract: ClassVar[bool] = True
    infallible: ClassVar[bool] = False
    """True when no value of a row can make it raise: then it may see rows that an earlier filter of the same
    batch already dropped (their verdict is ignored), which saves a copy of the batch."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.abstract = "abstract" in cls.__dict__ and cls.__dict__["abstract"] is True
        if "key" not in cls.__dict__:
            cls.key = cls.__name__[:1].lower() + cls.__name__[1:]

    draws: ClassVar[bool] = False
    """True when it decides at random, by the content of a row and a seed."""
    _step: str = PrivateAttr(default="")

    def at_step(self, name: str) -> Self:
        """The operator as the step called `name`, which makes its random decisions independent of those of other steps."""
        if not self.draws:
            return self
        placed = self.model_copy()
        placed._step = name
        return placed

    @property
    def salt(self) -> str:
        """What distinguishes its random decisions from those of other steps with the same seed."""
        return self._step or self.key

    def resolved(self) -> Operator:
        """The operator that does the work: itself, once what it names outside the job (a user's function or class) is found.

        Raises InvalidJob when that does not exist. Needs the user's modules, so it is not called by the controller.
        """
        return self

    def inputs(self) -> Order:
        """Columns that must exist before this step."""
        return marked_columns(self, Reads)

    def identity(self) -> Any:
        """What makes two steps the same work, as JSON-like data: a change of it redoes the step.

        It reads the files that the step names, so that a change of their content is a change of the step. Only the driver
        calls it.
        """
        identity: list[Any] = [self.key, self.model_dump(mode="json")]
        if self.draws:
            identity.append(self.salt)
        if files := named_files(self):
            from datajob.operators.files import file_identity

            identity.append([[path, file_identity(path, mark.within)] for path, mark in files])
        if _is_users(type(self)):
            from datajob.operators.files import identities, named_in
            from datajob.operators.user_code import source_digest

            identity.append(source_digest(type(self).__module__))
            identity.append(identities(named_in(self.model_dump(mode="json"))))
        return identity

    def runs_user_code(self) -> bool:
        """Whether it runs code of a user: then nobody else knows what a row costs."""
        return _is_users(type(self))

    def outputs(self, columns: Order) -> Order | None:
        """Column names after this step, given those before it; None when only running it tells (a user's function)."""
        return tuple(dict.fromkeys((*columns, *marked_columns(self, Writes))))


def _is_users(operator: type[Operator]) -> bool:
    return operator.__module__.split(".")[0] != __name__.split(".")[0]


@dataclass(frozen=True)
class Bound:
    """A parameter of a filter that is a limit of one of its measures."""

    parameter: str
    """Its place in the step, as in YAML: `minWords`, `topSequences[0].max`."""
    measure: str
    limit: float
    is_least: bool
    """True: rows that measure less are dropped; False: rows that measure more."""


Measures = Mapping[str, "NDArray[Any]"]
"""By name, one number per row; NaN where a row has none."""


class Filter(Operator):
    """Keeps or drops rows, with a reason for every drop; may also write columns.

    A filter that compares numbers with limits says so by `bounds` and `measures`: `analyze` then shows how the data
    are distributed, what each limit drops, and which limits would suit them.
    """

    abstract: ClassVar[bool] = True

    def keep(self, batch: Batch) -> Verdict:
        """Decide each row of `batch`."""
        raise NotImplementedError

    def bounds(self) -> tuple[Bound, ...]:
        """Its limits; none by default."""
        return ()

    def measures(self, batch: Batch) -> Measures:
        """What its limits are compared with: every measure that `bounds` names, whatever `keep` would decide."""
        return {}


class Observe(Operator):
    """Looks at rows and passes them all on; what it finds goes into the report as distributions.

    `filters` names the filters whose measures it takes; `observe` may add others, under names of their own.
    """

    abstract: ClassVar[bool] = True

    def filters(self) -> Mapping[str, Filter]:
        """The filters whose measures are taken, by the name they have in the report."""
        return {}

    def job_filters(self) -> Mapping[str, Filter]:
        """Those of `filters` that are steps of the job, with the limits it gives them."""
        return {}

    def with_job_filters(self, filters: Mapping[str, Filter]) -> Observe:
        """This step in a job with these filters, by step name: it may measure with their parameters. Itself by default."""
        return self

    def observe(self, batch: Batch) -> Mapping[str, Measures]:
        """The measures of all rows of `batch`, by the name of the filter they belong to."""
        return {name: measured.measures(batch) for name, measured in self.filters().items()}


class Map(Operator):
    """Changes columns; the same rows in the same order."""

    abstract: ClassVar[bool] = True

    def apply(self, batch: Batch) -> pa.Table:
        """The new table, with as many rows as `batch`."""
        raise NotImplementedError


class FlatMap(Operator):
    """Makes none, one or several rows out of each row."""

    abstract: ClassVar[bool] = True

    def expand(self, batch: Batch) -> pa.Table:
        """The new rows, in the order of the rows they come from."""
        raise NotImplementedError


class Model(Operator):
    """Runs a model that is loaded once per process (`setup`) and applied to tables; the same rows in the same order.

    `infer` is called by several threads at once with the same model: one table is read and prepared while another's
    answers are made.
    """

    abstract: ClassVar[bool] = True

    def accelerated(self) -> bool:
        """True when the step must run on the job's accelerator group (if the job has one)."""
        return True

    def needs(self) -> ModelResources:
        """What each actor needs, and how many there may be."""
        return ModelResources()

    def loads(self) -> str:
        """Names what `setup` loads: steps that load the same share one copy."""
        return repr((type(self).__module__, self.key, self.model_dump(mode="json")))

    def setup(self, device: Device) -> Any:
        """Load the model; called once in each process. What it says in `description`, if anything, goes into the report.

        Raises InvalidJob when it is not there or does not fit the step.
        """
        raise NotImplementedError

    def infer(self, batch: Batch, model: Any, memory: ModelCache | None = None) -> Inferred:
        """The model's columns for all rows of a batch (possibly none); rows that it cannot take fail alone.

        Where answers are dear, it looks in `memory` before it asks the model, and keeps there what the model said.
        """
        raise NotImplementedError


class Global(Operator):
    """Needs to see all rows: cuts the plan in phases. Subclass one of the three families below."""

    abstract: ClassVar[bool] = True

    def side_sources(self) -> tuple[Any, ...]:
        """Readers of further inputs: the right side of a join, an older corpus that duplicates are looked for in."""
        return ()


class Deduplicate(Global):
    """Removes what repeats something: only signatures move, then each shard is filtered on its own.

    `signatures` runs on every batch. Its rows are exchanged so that equal `key` values meet in one table, ordered by
    the position of their rows in the input; `resolve` then names what repeats something earlier. Rows of
    `side_sources` come before all rows of the job and are never part of the result.
    """

    abstract: ClassVar[bool] = True
    reason: ClassVar[str] = "duplicate"

    def signatures(self, batch: Batch) -> pa.Table:
        """Columns `row` (uint32, position in the batch), `key` (uint64) and what `resolve` needs, any number per row."""
        raise NotImplementedError

    def resolve(self, signatures: pa.Table) -> pa.Table:
        """From all signatures of a set of keys (`row` is now the int64 id of the row in the whole input, ascending):
        rows `row` (int64, to drop) and `kept` (int64, what it repeats), with what else `remove` needs. When `links` is
        True, edges between similar rows."""
        raise NotImplementedError

    links: ClassVar[bool] = False
    """True when `resolve` returns edges: connected components are then found over all of them, each keeps its first row."""

    def confirms(self) -> bool:
        """True when linked rows are only candidates: each component then meets in `confirm`, which decides."""
        return False

    def evidence(self, batch: Batch) -> pa.Table:
        """What `confirm` needs of each row of `batch`, in order. Called on candidates only."""
        raise NotImplementedError

    def confirm(self, evidence: pa.Table) -> pa.Table:
        """As `resolve`, from the evidence of whole components (`key` is the component, `row` ascending)."""
        raise NotImplementedError

    def remove(self, batch: Batch, repeats: pa.Table) -> Verdict:
        """What becomes of the rows of a batch, given those rows of `resolve` that are about it (`row`: position in the
        batch, ascending). By default rows that repeat others are dropped."""
        import numpy as np

        codes = np.zeros(len(batch), dtype=np.int8)
        codes[repeats.column("row").to_numpy()] = 1
        return Verdict(codes, (self.reason,))


class Repartition(Global):
    """Moves rows so that those that belong together meet in one partition, then combines each partition.

    `side_sources` are routed and combined together with the rows of the job, which are source 0.
    """

    abstract: ClassVar[bool] = True

    def single_partition(self) -> bool:
        """True when everything must meet in one partition."""
        return False

    def sample(self, batch: Batch) -> pa.Table | None:
        """A small sample of each batch that `route` needs from all of them first (range partitioning), or None."""
        return None

    def prepare(self, batch: Batch, source: int) -> pa.Table:
        """What of a batch has to move (fewer columns, partial aggregates); by default all of it."""
        return batch.table

    def route(self, table: pa.Table, source: int, partitions: int, samples: pa.Table | None) -> NDArray[np.int64]:
        """The partition of each row of a prepared table."""
        raise NotImplementedError

    def combine(self, inputs: Sequence[pa.Table], partition: int) -> Iterator[pa.Table]:
        """The result rows of one partition; `inputs` has one prepared table per source, possibly
        without rows, its rows in the order of the input."""
        raise NotImplementedError


class Head(Global):
    """Keeps the first `rows()` rows in the order of the input."""

    abstract: ClassVar[bool] = True

    def rows(self) -> int:
        """How many rows to keep."""
        raise NotImplementedError
