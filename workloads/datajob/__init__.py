"""Cleans, filters, deduplicates and captions training data. `docs/python.md` describes this interface.

The names in `__all__` are public; `datajob.operators`, `datajob.steps`, `datajob.sources` and `datajob.sinks` are the
other public modules. Every other module is private. Names are imported on first use, so that `import datajob` is cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from datajob.errors import (
    ClusterUnavailable,
    DataJobError,
    EndpointUnavailable,
    InputError,
    InvalidJob,
    NotComplete,
    RowsFailed,
    SinkBusy,
    SinkError,
    StorageUnavailable,
    WorkerDied,
)

if TYPE_CHECKING:
    from datajob.api.datajob import DataJob
    from datajob.api.problems import Problem
    from datajob.api.report import Report
    from datajob.api.resources import Resources, Runtime
    from datajob.api.spec import Errors, Rejects, Retry
    from datajob.python.analysis import Analysis
    from datajob.python.jobs import Plan, load, plan, validate
    from datajob.python.result import Result, ResultFile
    from datajob.python.running import analyze, run
    from datajob.python.submission import SubmittedJob, submit

__version__ = "0.1.0"

__all__ = [
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
]

_MODULES = {
    "Analysis": "datajob.python.analysis",
    "DataJob": "datajob.api.datajob",
    "Errors": "datajob.api.spec",
    "Plan": "datajob.python.jobs",
    "Problem": "datajob.api.problems",
    "Rejects": "datajob.api.spec",
    "Report": "datajob.api.report",
    "Resources": "datajob.api.resources",
    "Result": "datajob.python.result",
    "ResultFile": "datajob.python.result",
    "Retry": "datajob.api.spec",
    "Runtime": "datajob.api.resources",
    "SubmittedJob": "datajob.python.submission",
    "analyze": "datajob.python.running",
    "load": "datajob.python.jobs",
    "plan": "datajob.python.jobs",
    "run": "datajob.python.running",
    "submit": "datajob.python.submission",
    "validate": "datajob.python.jobs",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
