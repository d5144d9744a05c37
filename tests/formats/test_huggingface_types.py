"""Values of every Arrow type in a data set of Hugging Face, as the library `datasets` reads them."""

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

pytest.importorskip("huggingface_hub")

from datajob.errors import InvalidJob
from datajob.formats.huggingface import HuggingfaceWriter
from tests.formats.test_every_type import COLUMNS, UNIONS, expected, neutral

MAPS = {name for name, array in COLUMNS.items() if pa.types.is_map(array.type)}
REFUSED = {"runs", "interval", "decimal256(50, 3)", "tensor", *MAPS, *UNIONS}


def test_values_of_every_type_are_the_same_or_refused(tmp_path: Path) -> None:
    refused = set()
    accepted: dict[int, dict[str, Any]] = {}
    for name, column in COLUMNS.items():
        try:
            HuggingfaceWriter(path=str(tmp_path)).open(str(tmp_path), "part", pa.schema([(name, column.type)])).abort()
            accepted.setdefault(len(column), {})[name] = column
        except InvalidJob:
            refused.add(name)
    assert refused == REFUSED
    different = set()
    for number, some in accepted.items():
        table = pa.table(some)
        shard = HuggingfaceWriter(path=str(tmp_path)).open(str(tmp_path), f"part-{number}", table.schema)
        shard.write(table)
        file = str(tmp_path / shard.close()[0].path)
        found = datasets.Dataset.from_parquet(file, cache_dir=str(tmp_path / "cache"), keep_in_memory=True).data
        values = {name: neutral(found.column(name).combine_chunks().to_pylist()) for name in some}
        different |= {name for name, column in some.items() if values[name] != expected(column)}
    assert not different
