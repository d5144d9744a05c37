"""User functions and classes, found on the Python path by `package.module:name`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, WithJsonSchema

from datajob.errors import InvalidJob
from datajob.formats._pandas_import import recognize_pandas
from datajob.formats.types import TypeName
from datajob.operators import base
from datajob.operators.columns import did_you_mean
from datajob.operators.files import identities, named_in
from datajob.operators.user_code import reference, source_digest

Reference = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"),
    BeforeValidator(lambda value: reference(value) if callable(value) else value),
]
"""The import path of a function or class: `package.module:name`."""

Arguments = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]
"""Arguments by name, of any type that the user's code accepts."""


class CallsFunction(base.Operator):
    """Base of the steps that call a user's function."""

    abstract: ClassVar[bool] = True

    function: Reference = Field(
        description="Your function, as `package.module:name`, from the job's folder or an installed package."
    )
    params: Arguments = Field(default={}, description="Additional arguments of the function, by name.")
    types: dict[str, TypeName] = Field(
        default={}, description="Types of returned columns, as in `cast`; by default, they are inferred from the values."
    )

    def call(self) -> Callable[..., Any]:
        """The function with its additional arguments bound. Raises InvalidJob if it does not exist."""
        return _function(self.function, self.params)

    def resolved(self) -> Self:
        """The operator itself, after the function is found."""
        self.call()
        return self

    def identity(self) -> Any:
        """The parameters, the files they name, and the source of the function's module and of what it imports."""
        return [super().identity(), source_digest(self.function.split(":")[0]), identities(named_in(self.params))]

    def runs_user_code(self) -> bool:
        """Always."""
        return True

    def outputs(self, columns: base.Order) -> base.Order | None:
        """Unknown before the function runs."""
        return None


def find(reference: str) -> Any:
    """The object that `reference` names. Raises InvalidJob if it does not exist or cannot be imported."""
    module_name, name = reference.split(":")
    recognize_pandas()
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise InvalidJob(_not_importable(module_name, error.name or module_name)) from error
    except Exception as error:  # any exception that the user's module raises on import
        raise InvalidJob(f"module `{module_name}` cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        hint = did_you_mean(name, known) or f"; it has {', '.join(f'`{n}`' for n in known[:10]) or 'nothing callable'}."
        raise InvalidJob(f"module `{module_name}` has no `{name}`{hint}")
    return getattr(module, name)


def _function(reference: str, arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """A class is instantiated with the arguments, once in a process, and the object is called."""
    found = find(reference)
    if isinstance(found, type):
        if "__call__" not in dir(found):
            raise InvalidJob(f"class `{reference}` cannot be used as a function: it has no method `__call__`.")
        made: Callable[..., Any] = _instance(reference, json.dumps(arguments, sort_keys=True))
        return made
    if not callable(found):
        raise InvalidJob(f"`{reference}` is a {type(found).__name__}, not a function.")
    return partial(found, **arguments)


@cache
def _instance(reference: str, arguments: str) -> Any:
    return find(reference)(**json.loads(arguments))


def _not_importable(module_name: str, missing: str) -> str:
    if not f"{module_name}.".startswith(f"{missing}."):
        return f"module `{module_name}` cannot be imported: it needs `{missing}`, which is not installed."
    hint = did_you_mean(missing, [module.name for module in iter_modules()])
    where = "Modules are imported from the job's folder, the current directory and the installed packages"
    return f"there is no module `{missing}`{hint or '.'} {where}."
