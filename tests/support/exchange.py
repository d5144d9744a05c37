"""What the engine does around a Global operator, in memory: batches, partitions, rows in the order of the input."""

import numpy as np
import pyarrow as pa

from datajob.operators.base import Batch, Deduplicate, Repartition

DRAWN = pa.table({"id": range(5_000), "text": [f"text {i % 900}" for i in range(5_000)], "xs": [[i] for i in range(5_000)]})
"""Rows to draw from."""


def batches(table: pa.Table, size: int) -> list[Batch]:
    """The table cut in batches."""
    return [Batch(table.slice(start, size)) for start in range(0, len(table), size)]


def repartitioned(operator: Repartition, *sources: pa.Table, partitions: int = 1, size: int = 7) -> list[pa.Table]:
    """The result of each partition."""
    partitions = 1 if operator.single_partition() else partitions
    samples = [s for batch in batches(sources[0], size) if (s := operator.sample(batch)) is not None]
    sampled = pa.concat_tables(samples) if samples else None
    inputs = []
    for number, source in enumerate(sources):
        parts: list[list[pa.Table]] = [[] for _ in range(partitions)]
        for batch in batches(source, size):
            prepared = Batch(operator.prepare(batch, number))
            routes = operator.route(prepared, number, partitions, sampled)
            assert len(routes) == len(prepared)
            assert routes.dtype == np.int64
            assert len(routes) == 0 or 0 <= routes.min() <= routes.max() < partitions
            for p in range(partitions):
                parts[p].append(prepared.table.filter(pa.array(routes == p)))
        inputs.append([pa.concat_tables(p) if p else source.slice(0, 0) for p in parts])
    results = []
    for p in range(partitions):
        tables = list(operator.combine([side[p] for side in inputs], p))
        results.append(pa.concat_tables(tables, promote_options="permissive") if tables else None)
    return [r for r in results if r is not None]


def rows_of(results: list[pa.Table]) -> list[dict]:
    """All rows, partition after partition."""
    return [row for table in results for row in table.to_pylist()]


def deduplicated(operator: Deduplicate, table: pa.Table, partitions: int = 1, size: int = 7) -> list[int]:
    """The positions of the rows that stay."""
    tables = []
    for number, batch in enumerate(batches(table, size)):
        found = operator.signatures(batch)
        assert found.column("row").type == pa.uint32()
        assert found.column("key").type == pa.uint64()
        row = pa.array(found.column("row").to_numpy().astype(np.int64) + number * size)
        tables.append(found.set_column(found.column_names.index("row"), "row", row))
    if not tables:
        return []
    signatures = pa.concat_tables(tables)
    owner = signatures.column("key").to_numpy() % np.uint64(partitions)
    dropped: set[int] = set()
    for p in range(partitions):
        found = operator.resolve(signatures.filter(pa.array(owner == p)))
        assert found.schema == pa.schema([("row", pa.int64()), ("kept", pa.int64())])
        assert not set(found.column("row").to_pylist()) & set(found.column("kept").to_pylist())
        dropped |= set(found.column("row").to_pylist())
    return [row for row in range(len(table)) if row not in dropped]
