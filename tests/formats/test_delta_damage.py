"""Delta tables with a damaged log."""

from pathlib import Path

import pytest

pytest.importorskip("deltalake")

from deltalake import DeltaTable

from datajob.errors import InputError
from datajob.formats.delta import DeltaReader
from tests.formats.test_delta import numbers
from tests.support.delta import log_file


@pytest.mark.parametrize(
    "content", ['{"add": {"pa', "not json\n", '{"protocol":{"minReaderVersion":9,"minWriterVersion":9}}\n']
)
def test_a_damaged_log_is_an_error(content: str, tmp_path: Path) -> None:
    log_file(numbers(tmp_path), 1).write_text(content)
    with pytest.raises(InputError, match=str(tmp_path)):
        DeltaReader(path=str(tmp_path)).files()


@pytest.mark.parametrize("damage", ["gap", "checkpoint", "hint"])
def test_a_log_with_a_gap_or_a_damaged_checkpoint_is_an_error(damage: str, tmp_path: Path) -> None:
    numbers(tmp_path, versions=3)
    log = tmp_path / "_delta_log"
    if damage == "gap":
        log_file(tmp_path, 1).unlink()
    elif damage == "checkpoint":
        DeltaTable(tmp_path).create_checkpoint()
        path = next(log.glob("*.checkpoint.parquet"))
        path.write_bytes(path.read_bytes()[:100])
    else:
        (log / "_last_checkpoint").write_text('{"version": 99, "size": 1}')
    with pytest.raises(InputError, match="cannot use the Delta table"):
        DeltaReader(path=str(tmp_path)).files()
