"""Compile all kernels into the cache, for each processor level of this architecture. Runs when an image is built."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from datajob.operators.kernels.jit import PROCESSOR, cache_folder, levels


def compile_all() -> int:
    """Import every kernel module, which compiles what is not in the cache; returns the number of modules."""
    names = [info.name for info in iter_modules([os.path.dirname(__file__)]) if info.name != "__main__"]
    for name in names:
        import_module(f"{__package__}.{name}")
    return len(names)


def main() -> None:
    """Compile in a separate process per level, because numba generates code for one level per process."""
    if PROCESSOR in os.environ:
        compile_all()
        return
    for level in levels():
        subprocess.run([sys.executable, "-m", __package__], env={**os.environ, PROCESSOR: level}, check=True)
    size = sum(path.stat().st_size for path in Path(cache_folder()).glob("*.nbc"))
    print(f"kernels for {', '.join(levels())} are in {cache_folder()} ({size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
