"""The public names, and that a person and an editor can read what each of them is."""

import inspect
import subprocess
import sys
import typing
from importlib import import_module
from types import ModuleType

import pytest

import datajob
from datajob import operators, sinks, sources, steps
from datajob.formats.registry import all_readers, all_writers
from datajob.operators.registry import all_operators

EXPORTS = {
    "datajob": [
        "Analysis",
        "ClusterUnavailable",
        "DataJob",
        "DataJobError",
        "EndpointUnavailable",
        "Errors",
        "InputError",
        "InvalidJob",
        "NotComplete",
        "Plan",
        "Problem",
        "Rejects",
        "Report",
        "Resources",
        "Result",
        "ResultFile",
        "Retry",
        "RowsFailed",
        "Runtime",
        "SinkBusy",
        "SinkError",
        "StorageUnavailable",
        "SubmittedJob",
        "WorkerDied",
        "__version__",
        "analyze",
        "load",
        "plan",
        "run",
        "submit",
        "validate",
    ],
    "datajob.operators": [
        "Batch",
        "Bound",
        "Column",
        "Columns",
        "Deduplicate",
        "Device",
        "Filter",
        "FlatMap",
        "Head",
        "Inferred",
        "Map",
        "Measures",
        "Model",
        "ModelOutputCache",
        "ModelResources",
        "NewColumn",
        "Observe",
        "Operator",
        "Ranking",
        "Repartition",
        "Verdict",
    ],
}
CALLABLES = [
    *(getattr(datajob, name) for name in ("analyze", "load", "plan", "run", "submit", "validate")),
    *(datajob.DataJob.new, datajob.DataJob.to_yaml),
    *(vars(datajob.Result)[f"to_{kind}"] for kind in ("arrow", "pandas", "polars", "ray")),
    datajob.Analysis.to_pandas,
    datajob.SubmittedJob.wait,
]


@pytest.mark.parametrize("name", EXPORTS)
def test_the_exported_names_are_these(name: str) -> None:
    module = import_module(name)
    assert module.__all__ == EXPORTS[name]
    assert set(EXPORTS[name]) <= set(dir(module))
    assert all(hasattr(module, exported) for exported in EXPORTS[name])


@pytest.mark.parametrize("module", [datajob, operators])
def test_every_exported_class_and_function_has_a_docstring_of_its_own(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__, name
            assert inspect.cleandoc(value.__doc__).splitlines()[0].endswith("."), name


@pytest.mark.parametrize("function", CALLABLES, ids=lambda function: function.__qualname__)
def test_a_function_documents_its_parameters_its_result_and_its_errors(function: typing.Any) -> None:
    signature = inspect.signature(function)
    documentation = inspect.cleandoc(function.__doc__)
    for name, parameter in signature.parameters.items():
        if name not in ("self", "cls"):
            assert parameter.annotation is not inspect.Parameter.empty, name
            assert f"    {name}: " in documentation, name
    assert signature.return_annotation is not inspect.Signature.empty and "Returns:" in documentation
    raises = function.__name__ not in ("to_yaml",) and function is not datajob.Analysis.to_pandas
    assert ("Raises:" in documentation) == raises


def test_every_error_is_exported() -> None:
    assert {error.__name__ for error in datajob.DataJobError.__subclasses__()} <= set(datajob.__all__)


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    for module in (datajob, steps, sources, sinks):
        with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
            _ = module.Nonsense
    with pytest.raises(AttributeError):
        _ = steps.gopherQuality


def test_every_operator_and_format_is_a_class_of_a_public_module() -> None:
    assert dir(steps) == sorted(key[:1].upper() + key[1:] for key in all_operators())
    assert steps.GopherQuality is all_operators()["gopherQuality"]
    assert sources.BinaryFiles is all_readers()["binaryFiles"] and sinks.Webdataset is all_writers()["webdataset"]


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, datajob; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "datajob" in loaded
    assert not {"pydantic", "pyarrow", "ray", "numpy", "pandas", "yaml", "click", "rich"} & set(loaded)
