"""The formats are found by their key, and finding them is light."""

import subprocess
import sys

import pytest

from datajob.formats.registry import all_readers, all_writers
from datajob.one_of import summary


def test_every_format_is_found() -> None:
    assert list(all_readers()) == ["binaryFiles", "csv", "images", "json", "parquet", "text", "webdataset"]
    assert list(all_writers()) == ["csv", "images", "json", "parquet", "webdataset"]


@pytest.mark.parametrize("model", [*all_readers().values(), *all_writers().values()], ids=lambda model: model.__name__)
def test_every_parameter_is_described(model: type) -> None:
    assert summary(model)
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name}"


def test_the_language_of_formats_needs_no_heavy_library() -> None:
    heavy = {"pyarrow", "numpy", "duckdb", "pandas", "PIL", "ray", "fsspec"}
    code = f"import sys, datajob.formats.source; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
