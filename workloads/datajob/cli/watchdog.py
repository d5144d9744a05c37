"""A small process next to a local run that explains the end of the run if user code terminates the process without an error."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from datajob.engine.events import Event, Working

_CODE = """
import signal, sys
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"):
    if hasattr(signal, name): signal.signal(getattr(signal, name), signal.SIG_IGN)
shard = ""
for line in sys.stdin:
    if line == "\\n": sys.exit()
    shard = line.strip()
sys.stderr.write(
    f"Error: the process of the run terminated while it processed {shard}. "
    "The likely cause is a function or library that crashes or terminates the process (for example, with os._exit), "
    "insufficient memory, or a signal. Run the command again to resume after the finished shards. To find the row, set "
    "errors.policy to drop or quarantine, and use --executor ray.\\n"
)
"""


class Watchdog:
    """Starts with the first `Working` event, from which it learns the current shard, and ends silently with the block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def on_event(self, event: Event) -> None:
        """Report the shard that this process starts to run."""
        if not isinstance(event, Working):
            return
        if self._process is None:
            command = [sys.executable, "-I", "-S", "-c", _CODE]
            with suppress(OSError):  # only the message would be missing
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._send(event.shard)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._send("")
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate()

    def _send(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(line.replace("\n", " ").encode(errors="backslashreplace") + b"\n")
                self._process.stdin.flush()
