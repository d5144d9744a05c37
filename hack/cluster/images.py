"""Build container images with Docker if it is available, otherwise with buildah, which needs no engine and no registry.

`save_command` returns a command whose output any node can import. Without Docker, a base image built from Debian packages
replaces the public Python image: Dockerfiles of the project take it as `BASE_IMAGE`.
"""

import functools
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import packages
from hack.cluster.build import binary, cache, locked
from hack.cluster.versions import PROGRAMS, RAY

BASE = "localhost/debian-python:12"
RAY_IMAGE = f"localhost/ray:{RAY}"
_DEBIAN = "bookworm"
_BASE_PACKAGES = "python3,python3-venv,ca-certificates,procps"
_CERTIFICATES = "/etc/ssl/certs"


@functools.cache
def docker_runs() -> bool:
    """Whether a Docker engine is available."""
    return bool(shutil.which("docker")) and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def build(image: str, context: Path, containerfile: Path, arguments: Mapping[str, str] | None = None) -> None:
    """Build an image. Unchanged layers come from the cache."""
    options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
    options += [f"--file={containerfile}", f"--tag={image}", str(context)]
    if docker_runs():
        _run(["docker", "build", *options])
        return
    # Steps that install packages need the CA certificates of this machine.
    _buildah("bud", "--isolation=chroot", "--layers", "--force-rm", f"--volume={_CERTIFICATES}:{_CERTIFICATES}:ro", *options)


def build_program(name: str, user: int = 0, path: str = "") -> str:
    """Build an image that contains only one of the cluster programs, at `path`. Returns the name of the image."""
    image = program_image(name)
    if exists(image):
        return image
    folder = binary(name).parent
    containerfile = folder / "Containerfile"
    path = path or f"/{name}"
    containerfile.write_text(f'FROM scratch\nCOPY {name} {path}\nUSER {user}:{user}\nENTRYPOINT ["{path}"]\n')
    build(image, folder, containerfile)
    return image


def program_image(name: str) -> str:
    """The name of the image of a cluster program."""
    return f"localhost/{name}:{next(p.version for p in PROGRAMS if p.name == name)}"


def build_ray() -> str:
    """Build the image of the smoke test: Ray only, nothing of the project."""
    arguments = {"RAY": RAY, **base_arguments()}
    folder = Path(__file__).parent
    build(RAY_IMAGE, folder / "manifests", folder / "ray.Containerfile", arguments)
    return RAY_IMAGE


def base_arguments() -> dict[str, str]:
    """Build arguments that set a base image that is available on this machine."""
    if docker_runs():
        return {}
    if not exists(BASE):
        _bootstrap()
    return {"BASE_IMAGE": BASE}


def exists(image: str) -> bool:
    """Whether an image exists."""
    if docker_runs():
        return subprocess.run(["docker", "image", "inspect", image], capture_output=True).returncode == 0
    packages.ensure(packages.IMAGES)
    found = subprocess.run(buildah_command("images", "--quiet", image), capture_output=True, text=True)
    return found.returncode == 0


def save_command(image: str) -> list[str]:
    """The command that writes an image, uncompressed, to standard output."""
    return buildah_command("push", "--quiet", "--disable-compression", image, f"docker-archive:/dev/stdout:{image}")


def buildah_command(*arguments: str) -> list[str]:
    """A buildah command in separate mount and PID namespaces. If it is killed, no mounts or processes remain."""
    isolated = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    storage = cache() / "containers"
    return [*isolated, "buildah", f"--root={storage / 'root'}", f"--runroot={storage / 'run'}", *arguments]


def _buildah(*arguments: str) -> None:
    packages.ensure(packages.IMAGES)
    with locked("images"):
        _run(buildah_command(*arguments))


def _bootstrap() -> None:
    """Create the base image from Debian packages."""
    packages.ensure(packages.IMAGES)
    folder = cache() / "base"
    with locked("base"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        bootstrap = ["debootstrap", "--variant=minbase", f"--include={_BASE_PACKAGES}", _DEBIAN, str(folder / "root")]
        _run([*isolated, *bootstrap])
        leave_out = ["--exclude=./dev/*", "--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
        _run(["tar", "--numeric-owner", *leave_out, "-C", str(folder / "root"), "-cf", str(folder / "root.tar"), "."])
        shutil.rmtree(folder / "root")
        (folder / "Containerfile").write_text('FROM scratch\nADD root.tar /\nCMD ["/usr/bin/python3"]\n')
        build(BASE, folder, folder / "Containerfile")
        shutil.rmtree(folder)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
