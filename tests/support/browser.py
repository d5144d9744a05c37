"""A headless Chromium: what it shows of a page, what it logs, what it asks the network for."""

import functools
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster import packages

NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


@dataclass(frozen=True)
class Shown:
    """What a page became in the browser."""

    dom: str
    console: str
    requests: tuple[str, ...]
    """URLs that were asked for, the page itself left out."""


@functools.cache
def chromium() -> str:
    """The browser's program; installed where that is possible, else the test is skipped."""
    if not any(map(shutil.which, NAMES)):
        try:
            packages.ensure({"chromium": "chromium"})
        except packages.MissingPackages as missing:
            pytest.skip(str(missing))
    return next(path for name in NAMES if (path := shutil.which(name)))


def show(page: Path, *flags: str) -> Shown:
    """Open a page and read it back. Skips the test where there is no Chromium."""
    folder = page.parent / "chromium"
    log = page.parent / "net.json"
    where = (f"--user-data-dir={folder}", f"--log-net-log={log}", "--enable-logging=stderr", "--v=0")
    command = [chromium(), *_FLAGS, *where, *flags, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return Shown(done.stdout, console, tuple(_requests(log)))


def _requests(log: Path) -> list[str]:
    """The URLs of a net log, without those the browser asks for on its own account (data: and chrome:)."""
    events = json.loads(log.read_text())["events"]
    urls = {event["params"]["url"] for event in events if "url" in event.get("params", {})}
    return sorted(url for url in urls if url.startswith(("http", "ws", "ftp", "file:")) and "google" not in url)
