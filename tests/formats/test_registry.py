"""The formats are found by their key, and finding them is light."""

import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

import pytest

from datajob import formats
from datajob.formats.base import Reader, Writer
from datajob.formats.registry import all_readers, all_writers
from datajob.one_of import summary


@pytest.mark.parametrize(("base", "found"), [(Reader, all_readers()), (Writer, all_writers())], ids=["readers", "writers"])
def test_every_format_of_the_folder_is_found(base: type, found: Mapping[str, type]) -> None:
    names = [info.name for info in iter_modules(formats.__path__) if not info.name.startswith("_")]
    modules = [import_module(f"{formats.__name__}.{name}") for name in names]
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    concrete = {each.key: each for each in classes if issubclass(each, base) and not each.abstract}
    assert dict(found) == dict(sorted(concrete.items()))
    assert list(found) == sorted(found)


def test_only_the_formats_of_a_job_are_imported() -> None:
    code = "import sys, datajob.formats.source as s; s.Source(csv={'paths': ['a']}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "datajob.formats.csv" in done.stdout.split()
    assert "datajob.formats.json" not in done.stdout.split()


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
