"""A result without rows: one file that has the columns of the result, so that the next job can read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from datajob.engine.attempt import Attempt
from datajob.engine.commit.shard import Shard, digest
from datajob.engine.empty_tables import after_step
from datajob.engine.input.inputs import FragmentInput
from datajob.engine.plan.analysis import is_analysis
from datajob.formats._columns import empty_table
from datajob.formats.base import OutputFile
from datajob.operators.base import Batch, Global, Operator, Repartition

if TYPE_CHECKING:
    import pyarrow as pa

SideInputs = Callable[[Global], list[FragmentInput]]


def write_empty(attempt: Attempt) -> list[OutputFile]:
    """Write a file without rows, which has no columns if those of the input are unknown. An analysis writes no file."""
    import pyarrow as pa

    if is_analysis(attempt.plan.steps):
        return []

    schema = result_columns(attempt) or pa.schema([])
    writer = attempt.writer.model_copy(update={"partition_by": None})
    prefix = Shard(0, digest(attempt.state.run_id), 1).prefix
    shard = writer.open(writer.path, prefix, schema)
    try:
        shard.write(empty_table(schema))
    except BaseException:
        shard.abort()
        raise
    return shard.close()


def result_columns(attempt: Attempt) -> pa.Schema | None:
    """The columns of a result without rows, or None if they are unknown."""
    try:
        return _result_schema(attempt)
    except Exception:  # noqa: BLE001 - operators need not accept a table without rows, nor columns that are unknown
        return None


def _result_schema(attempt: Attempt) -> pa.Schema:
    table = empty_table(attempt.listing.source.schema)
    for step in attempt.plan.steps:
        table = _after(step.operator, table, attempt.side_inputs)
    return table.schema


def _after(operator: Operator, table: pa.Table, side_inputs: SideInputs) -> pa.Table:
    """A table without rows after a step."""
    if not isinstance(operator, Repartition):
        return after_step(table, operator)
    sides = [empty_table(source.schema) for source in side_inputs(operator)]
    inputs = [operator.prepare(Batch(rows), number) for number, rows in enumerate([table, *sides])]
    return next(operator.combine(inputs, 0)).slice(0, 0)


def columns_unknown(source: FragmentInput) -> bool:
    """Whether a source has no columns except those that come from the paths of its files."""
    for reader, schema in zip(source.readers, source.source_schemas, strict=True):
        if not set(schema.names) - {reader.include_path, *_partitions(source)}:
            return True
    return False


def _partitions(source: FragmentInput) -> set[str]:
    return {key for shard in source.shards for fragment in shard.fragments for key, _ in fragment.file.partition}
