"""vLLM imports this module in its processes, as the extension of its workers, before it loads the model.

Such a process ends with the server, even if the server is killed. Otherwise, it would keep the device, and the next server
could not load its model. If the model cannot be loaded, the process writes the reason to a file, because vLLM only logs it.
"""

from __future__ import annotations

import logging
import os
import select
import threading
from contextlib import suppress

SERVER = "DATAJOB_VLLM_SERVER"
"""Environment variable with the id of the process of the server."""
FAILURE = "DATAJOB_VLLM_FAILURE"
"""Environment variable with the file for the reason of a failure."""


class Extension:
    """Adds nothing to the workers: vLLM only has to import it."""


class _Failures(logging.Handler):
    """Writes the first exception in the log of vLLM to a file."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            with suppress(OSError), open(os.environ[FAILURE], "x") as file:
                file.write(f"{type(error).__name__}: {error}")


def _end_with(server: int) -> None:
    try:
        process = os.pidfd_open(server)
    except ProcessLookupError:
        os._exit(1)
    select.select([process], [], [])
    os._exit(1)


if SERVER in os.environ:
    logging.getLogger("vllm").addHandler(_Failures())
    threading.Thread(target=_end_with, args=(int(os.environ[SERVER]),), name="server", daemon=True).start()
