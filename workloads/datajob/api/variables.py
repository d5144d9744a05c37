"""`$VARIABLES` in the paths of a job that runs on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from datajob.api.datajob import DataJob
from datajob.errors import InvalidJob

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def expand_paths(job: DataJob, environment: Mapping[str, str]) -> DataJob:
    """The job with the variables in its paths replaced. Raises InvalidJob for a variable that is not set."""
    data = job.model_dump(by_alias=True, exclude_unset=True)
    expanded = _expanded(data, environment)
    return job if expanded == data else DataJob.model_validate(expanded)


def _expanded(value: Any, environment: Mapping[str, str]) -> Any:
    """`value` with variables replaced in each `path` and in each of `paths`, except in parameters of user functions."""
    if isinstance(value, dict):
        return {
            key: _replaced(item, environment)
            if key == "path" and isinstance(item, str)
            else [_replaced(path, environment) for path in item]
            if key == "paths"
            else item
            if key == "params"
            else _expanded(item, environment)
            for key, item in value.items()
        }
    return [_expanded(item, environment) for item in value] if isinstance(value, list | tuple) else value


def _replaced(path: str, environment: Mapping[str, str]) -> str:
    """A path with its variables replaced, unless something of that very name exists."""
    if not _VARIABLE.search(path) or os.path.exists(path):
        return path

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise InvalidJob(f"{path}: the environment variable {name} is not set.")
        return environment[name]

    return _VARIABLE.sub(value, path)
