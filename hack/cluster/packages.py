"""Programs of the machine that a cluster requires. Installs them if possible; otherwise, reports which are missing."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.cluster.build import locked

# A program name or path, and the Debian package that contains it.
SANDBOX = {"unshare": "util-linux", "setpriv": "util-linux", "ip": "iproute2", "openssl": "openssl"}
NODE = {
    **SANDBOX,
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
}
IMAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}


class MissingPackages(Exception):
    """Required programs are missing and cannot be installed automatically."""


def missing(wanted: Mapping[str, str]) -> list[str]:
    """The packages whose programs are missing."""
    return sorted({package for file, package in wanted.items() if not _there(file)})


def ensure(wanted: Mapping[str, str]) -> None:
    """Install missing packages. Requires root and apt."""
    with locked("packages"):
        packages = missing(wanted)
        if not packages:
            return
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise MissingPackages(f"install these packages first: {' '.join(packages)}")
        print(f"installing {' '.join(packages)} ...", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
            done = subprocess.run(["apt-get", "--quiet=2", *command], env=environment, capture_output=True, text=True)
            if done.returncode:
                raise MissingPackages(f"apt-get {command[0]} failed; required packages: {' '.join(packages)}:\n{done.stderr}")


def _there(file: str) -> bool:
    # The PATH of a regular user may not contain the sbin folders.
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return Path(file).exists() if file.startswith("/") else shutil.which(file, path=search) is not None
