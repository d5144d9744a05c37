"""User code as part of the identity of a job: its changes are detected like changes of parameters."""

from __future__ import annotations

import ast
import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def reference(value: Any) -> str:
    """`package.module:name` of a function or class. Raises ValueError for one that another process cannot import."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", type(value).__name__)
    advice = "define it at the top level of a separate module, and import it from there"
    if not module or "<" in name or "." in name:
        raise ValueError(f"`{name}` cannot be imported by workers because it is not at the top level of a module; {advice}")
    if module == "__main__":
        raise ValueError(f"`{name}` cannot be imported by workers because it is defined in a notebook or script; {advice}")
    if getattr(sys.modules.get(module), name, None) is not value:
        raise ValueError(f"`{name}` cannot be imported by workers because `{module}.{name}` is another object; {advice}")
    return f"{module}:{name}"


def source_digest(module: str) -> str | None:
    """A digest of the module's file and of all local files that it imports, directly or indirectly.

    None if there is no such file. Local files are those outside the standard library and the installed packages, and those
    in the package of `module` itself. Imports are found anywhere in the source; dynamic imports are not found.
    """
    own = {module.split(".")[0]: True}
    found: dict[str, str] = {}
    waiting = list(_with_packages(module))
    while waiting:
        name = waiting.pop()
        package = name.split(".")[0]
        if package not in own:
            own[package] = _is_users_own(package)
        if not own[package] or name in found or (path := _file_of(name)) is None:
            continue
        content = path.read_bytes()
        found[name] = hashlib.sha256(content).hexdigest()
        waiting += _imports(content, name, path)
    if module not in found:
        return None
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


def _file_of(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except Exception:  # noqa: BLE001 - finding a module of a package runs the package's own code
        return None
    if spec is None or spec.origin is None or not os.path.isfile(spec.origin):
        return None
    return Path(spec.origin)


def _is_users_own(package: str) -> bool:
    """Whether a top-level module or package is neither part of Python, nor installed, nor this project."""
    if package in sys.stdlib_module_names or package == __name__.split(".")[0]:
        return False
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return False
    places = [] if spec is None else [*([spec.origin] if spec.origin else []), *(spec.submodule_search_locations or ())]
    return any(os.path.exists(place) and not _is_installed(Path(place)) for place in places)


def _is_installed(path: Path) -> bool:
    folders = [os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")]
    known = any(part in ("site-packages", "dist-packages") for part in path.parts)
    return known or any(os.path.realpath(path).startswith(folder + os.sep) for folder in folders)


def _imports(source: bytes, module: str, path: Path) -> Iterator[str]:
    """The modules that `source` may import, with the packages around them."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # compiled, or not valid: importing it raises a better error
        return
    package = module if path.name.startswith("__init__.") else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_packages(alias.name)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) - node.level + 1]) if node.level else ""
            source_name = ".".join(filter(None, (base, node.module)))
            yield from _with_packages(source_name)
            yield from (f"{source_name}.{alias.name}" for alias in node.names if source_name)
        elif isinstance(node, ast.Call) and _is_import_call(node.func) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield from _with_packages(first.value.lstrip("."))


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return name in ("import_module", "__import__")


def _with_packages(module: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` for `a.b.c`: importing a module runs the packages around it."""
    parts = module.split(".")
    for size in range(1, len(parts) + 1):
        if all(parts[:size]):
            yield ".".join(parts[:size])
