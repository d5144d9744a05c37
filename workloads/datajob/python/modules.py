"""Where the functions that a job names are looked up."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def importing_from(*folders: str) -> Iterator[None]:
    """Look up modules in `folders` first while the context is active."""
    sys.path[:0] = folders
    try:
        yield
    finally:
        for folder in folders:
            with suppress(ValueError):  # the user's code may have changed the path
                sys.path.remove(folder)
