"""`kernel`: numba with explicit signatures and a cache that survives containers.

The cache of numba depends on the exact processor that compiled it and is ignored if its folder is not writable, so an
image built on one machine would compile again on every node. Here, code is compiled for a processor *level* (AVX2 or the
baseline), and a read-only cache is used. If nothing can be written, missing kernels are compiled in memory.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
from numba.core.caching import CacheImpl, CompileResultCacheImpl, FunctionCache

F = TypeVar("F", bound=Callable[..., Any])

# the inline types of numba are incomplete
_njit: Any = numba.njit
_config: Any = numba.core.config
_filename_base: Any = CacheImpl.get_filename_base

CACHE_FOLDER = "DATAJOB_KERNEL_CACHE"
"""Environment variable with another folder for the compiled kernels."""


PROCESSOR = "DATAJOB_KERNEL_PROCESSOR"
"""Environment variable with the processor level to compile for, one of `levels()`."""


def levels() -> tuple[str, ...]:
    """The processor levels of this architecture, best first (names of LLVM)."""
    return ("x86-64-v3", "x86-64") if platform.machine() == "x86_64" else ("generic",)


def _choose_processor() -> None:
    if _config.CPU_NAME is not None:
        return  # the user set NUMBA_CPU_NAME
    level = os.environ.get(PROCESSOR, levels()[0])
    if PROCESSOR not in os.environ and level == "x86-64-v3":
        host = llvm.get_host_cpu_features()
        level = level if all(host.get(feature) for feature in ("avx2", "bmi2", "fma")) else levels()[-1]
    _config.CPU_NAME, _config.CPU_FEATURES = level, ""


_choose_processor()


@cache
def _stamp(source: str) -> str:
    """A hash of a kernel's source and of the modules it imports: functions and constants that are compiled into it must
    not leave a stale kernel when they change."""
    package = __package__.rpartition(".")[0]
    folder = Path(__file__).parent.parent
    seen: dict[Path, str] = {}
    waiting = [Path(source)]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path] = path.read_text(encoding="utf-8")
            imported = re.findall(rf"^from {package}\.([\w.]+) import", seen[path], re.MULTILINE)
            waiting += [folder.joinpath(*name.split(".")).with_suffix(".py") for name in imported]
    return hashlib.sha256("".join(seen[path] for path in sorted(seen)).encode()).hexdigest()


@cache
def cache_folder() -> str:
    """The folder of compiled kernels: that of the environment variable, otherwise the one next to the sources if it is
    writable or not empty, otherwise one in the temporary folder."""
    if asked := os.environ.get(CACHE_FOLDER):
        return asked
    own = os.path.join(os.path.dirname(__file__), "__pycache__")
    warm = os.path.isdir(own) and any(name.endswith(".nbi") for name in os.listdir(own))
    if warm or _can_write(own):
        return own
    return os.path.join(tempfile.gettempdir(), f"datajob-kernels-{os.getuid()}")


def _can_write(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


class _Locator:
    """A cache locator for numba that does not require a writable folder."""

    def __init__(self, line: int, source: str) -> None:
        self._line = line
        self._py_file = source

    def get_cache_path(self) -> str:
        return cache_folder()

    def get_source_stamp(self) -> str:
        return _stamp(self._py_file)

    def get_disambiguator(self) -> str:
        return str(self._line)

    def ensure_cache_path(self) -> None:
        os.makedirs(cache_folder(), exist_ok=True)


class _CacheImpl(CompileResultCacheImpl):
    """Writes compiled functions like numba, with the locator above."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._lineno = function.__code__.co_firstlineno
        source = function.__code__.co_filename
        self._locator = _Locator(self._lineno, source)
        name = f"{Path(source).stem}.{function.__qualname__}"
        self._filename_base = _filename_base(self, name, getattr(sys, "abiflags", ""))


class _Cache(FunctionCache):
    """The function cache of numba, which treats a cache that cannot be read or written as empty."""

    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except OSError:
            return None
        except (ImportError, AttributeError, EOFError, UnpicklingError):  # written by a version whose classes have moved
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


def kernel(*signatures: Any, allocates: bool = False) -> Callable[[F], F]:
    """Compile the function for these signatures now, or load it from the cache; it runs without the GIL.

    Kernels borrow their arrays: without reference counting numba's code is several times faster (atomic operations at
    every use of an array). So scratch arrays come from the caller; `allocates=True` permits `np.empty` in the kernel.
    """

    def decorate(function: F) -> F:
        dispatcher = _njit(nogil=True, error_model="numpy", _nrt=allocates)(function)
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
        for signature in signatures:
            dispatcher.compile(signature)
        dispatcher.disable_compile()
        return cast(F, dispatcher)

    return decorate


def inline(function: F) -> F:
    """For small functions that kernels call: inlined in their callers, never cached separately."""
    return cast(F, _njit(nogil=True, forceinline=True, error_model="numpy", _nrt=False)(function))


def helper(function: F) -> F:
    """For larger functions that kernels call."""
    return cast(F, _njit(nogil=True, error_model="numpy", _nrt=False)(function))
