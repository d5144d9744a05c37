"""Calls of models: in this process, or in another one that holds the accelerator.

In the second case, a shard runs on a CPU and only the columns that the model reads leave its process, in pieces that are
spread over the processes of the model. What the other process does is `answer`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from datajob.engine.counts.tally import Tally
from datajob.engine.plan.steps import Step
from datajob.engine.worker import model_registry
from datajob.engine.worker.model_outputs import ShardModelOutputs, StepModelOutputs
from datajob.errors import InvalidJob, private
from datajob.formats._exact import exact_concat
from datajob.operators.base import Batch, Inferred, Model

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_ROWS = 64
"""Maximum number of rows of a piece: the rows of a batch on an accelerator."""
MIN_PIECE_ROWS = 16
PIECE_SECONDS = 0.5
"""Time that a piece should take in a model process. Long pieces leave devices without work while others have several."""
PIECE_BYTES = 8 << 20
WINDOW_BYTES = 64 << 20
"""Bytes of the pieces of one table that wait for the model at the same time."""

SAME_COLUMNS = "return the same columns with the same types for every batch."


@dataclass(frozen=True)
class Call:
    """What a model process has to know about a piece besides its rows."""

    step: str
    outputs: ShardModelOutputs | None
    """Where the outputs of the model are stored until the shard is committed."""
    attempt: int = 0
    """0: there are no outputs of an earlier attempt at these rows."""


@dataclass(frozen=True)
class Reply:
    """What a model process returns for a piece."""

    inferred: Inferred
    tally: Tally
    """The activity of the process."""
    preparation: Any = None
    """How the processes of shards prepare later rows, if the model has a preparation."""


class Models(Protocol):
    """The models of other processes."""

    steps: frozenset[str]
    """The steps that they serve."""

    def ask(self, call: Call, pieces: Sequence[pa.Buffer], rows: Sequence[int]) -> list[Reply]:
        """The replies to pieces, in their order. Raises the error of the model process."""


_mine = threading.local()
_piece_rows: dict[str, int] = {}
"""Maximum number of rows of a piece by step, from the speed of its model. PIECE_ROWS until it is known."""
_preparations: dict[str, Any] = {}
"""By step. Known from the first reply of its model; rows before that are sent as they are."""


def use(models: Models) -> None:
    """Let the shards of this thread call the models of other processes."""
    _mine.models = models


def piece_rows(seconds_per_row: float) -> int:
    """Maximum number of rows of a piece for a process that takes this long for a row; 0: unknown."""
    rows = PIECE_SECONDS / seconds_per_row if seconds_per_row else PIECE_ROWS
    return int(min(PIECE_ROWS, max(MIN_PIECE_ROWS, rows)))


def use_piece_rows(by_step: Mapping[str, int]) -> None:
    """Set the maximum number of rows of the pieces that this process sends to the model of each step."""
    _piece_rows.update(by_step)


def infer(step: Step[Model], batch: Batch, tally: Tally, outputs: ShardModelOutputs | None) -> Inferred:
    """Apply the model of a step to a batch, wherever it is loaded. Other shards of this process run meanwhile."""
    models: Models | None = getattr(_mine, "models", None)
    known = outputs.of(step.name) if outputs else None
    if models is None or step.name not in models.steps:
        with model_registry.release_slot():
            return model_registry.infer(step.operator, batch, tally, known)
    call = Call(step.name, outputs, attempt=int(bool(known and known.known)))
    replies: list[Reply] = []
    rows: list[int] = []
    for pieces in _windows(_prepared(step, needed(step.operator, batch.table))):
        counts = [piece.num_rows for piece in pieces]
        with model_registry.release_slot():
            replies += models.ask(call, [serialized(piece) for piece in pieces], counts)
        rows += counts
    for reply in replies:
        tally.add(reply.tally)
        _preparations[step.name] = reply.preparation
    try:
        return joined([reply.inferred for reply in replies], rows)
    except InvalidJob as error:
        raise InvalidJob(f"Step {step.name}: {error.marked}") from error


def answer(operator: Model, call: Call, piece: Any) -> Reply:
    """Apply the model of this process to a piece."""
    tally = Tally()
    known = None if call.outputs is None else _known(call, call.outputs)
    inferred = model_registry.infer(operator, Batch(deserialized(piece)), tally, known)
    return Reply(inferred, tally, operator.preparation(model_registry.get_or_load(operator)))


@lru_cache(256)
def _shared(outputs: ShardModelOutputs, attempt: int) -> ShardModelOutputs:
    """One object for all pieces of a shard, so that their outputs form few files."""
    return outputs


def _known(call: Call, outputs: ShardModelOutputs) -> StepModelOutputs:
    shared = _shared(outputs, call.attempt)
    return shared.of(call.step) if call.attempt else shared.unread(call.step)


def retried(call: Call) -> Call:
    """The call for another attempt: some of its outputs may have been stored."""
    return replace(call, attempt=call.attempt + 1)


def needed(operator: Model, table: pa.Table) -> pa.Table:
    """The columns that a model reads: all of them if it is the user's, which need not declare them."""
    names = [] if operator.runs_user_code() else [name for name in operator.inputs() if name in table.column_names]
    return table.select(names) if names else table


def serialized(table: pa.Table) -> pa.Buffer:
    """A table as one buffer, of the rows of a slice only."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def deserialized(buffer: Any) -> pa.Table:
    """The inverse of `serialized`, without a copy."""
    import pyarrow as pa

    with pa.ipc.open_stream(buffer) as reader:
        return reader.read_all()


def joined(found: Sequence[Inferred], rows: Sequence[int]) -> Inferred:
    """The outputs for consecutive pieces with these numbers of rows as those of one table.

    Raises InvalidJob for columns that only some pieces have, or whose values no type can represent together.
    """
    import pyarrow as pa

    if len(found) == 1:
        return found[0]
    failed: dict[int, str] = {}
    start = 0
    for inferred, count in zip(found, rows, strict=True):
        failed.update({start + row: reason for row, reason in inferred.failed.items()})
        start += count
    names = list(found[0].columns)
    if other := next((list(each.columns) for each in found if set(each.columns) != set(names)), None):
        raise InvalidJob(f"the model returned columns {names} for some rows and {other} for others; {SAME_COLUMNS}")
    try:
        table = exact_concat([pa.table(dict(each.columns)) for each in found])
    except pa.ArrowException as error:
        raise InvalidJob(f"the outputs of the model have several types{private(f': {error}')}; {SAME_COLUMNS}") from error
    columns = {name: table.column(name).combine_chunks() for name in names}
    return Inferred(columns, failed, sum(each.reused for each in found))  # the tally of each reply counts `used`


def _prepared(step: Step[Model], table: pa.Table) -> Iterator[pa.Table]:
    """The pieces of a table, with the work done that the model leaves to this process. One piece is prepared at a time."""
    preparation = _preparations.get(step.name)
    limit = _piece_rows.get(step.name, PIECE_ROWS)
    for piece in _cut(table, limit):
        if preparation is None:
            yield piece
        else:
            yield from _cut(step.operator.prepare(Batch(piece), preparation), limit)


def _cut(table: pa.Table, limit: int) -> Iterator[pa.Table]:
    """Pieces of similar size, of at most `limit` rows and few bytes; one without rows for an empty table."""
    most = min(limit, max(1, table.num_rows * PIECE_BYTES // max(1, table.nbytes)))
    rows = math.ceil(table.num_rows / max(1, math.ceil(table.num_rows / most))) or 1
    for start in range(0, max(1, table.num_rows), rows):
        yield table.slice(start, rows)


def _windows(pieces: Iterator[pa.Table]) -> Iterator[list[pa.Table]]:
    """Consecutive pieces that can wait for the model at the same time."""
    waiting: list[pa.Table] = []
    held = 0
    for piece in pieces:
        if waiting and held + piece.nbytes > WINDOW_BYTES:
            yield waiting
            waiting, held = [], 0
        waiting.append(piece)
        held += piece.nbytes
    yield waiting
