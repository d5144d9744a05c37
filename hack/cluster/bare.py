"""Clusters without Docker: a control plane, optionally with a node, as processes of this machine in a sandbox."""

import secrets
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from string import Template

from hack.cluster import certificates, control_plane, images, node, packages
from hack.cluster.build import binary, build, kuberay_config, locked
from hack.cluster.cluster import Cluster
from hack.cluster.kinds import Kind
from hack.cluster.sandbox import Sandbox, every, remove_dead
from hack.cluster.waiting import wait_for

MANIFESTS = Path(__file__).parent / "manifests"
LOG_LINES = 15
CRASHES = 10  # a few are normal while the components wait for each other


@dataclass(frozen=True)
class BareCluster(Cluster):
    """A cluster in a sandbox."""

    sandbox: Sandbox

    def kuberay(self, part: str) -> str:
        return str(kuberay_config() / part)

    def answers(self) -> bool:
        log = (self.sandbox.folder / "init.log").read_text()
        if log.count("; restarting") > CRASHES:
            raise RuntimeError(f"the cluster {self.sandbox.name} does not start: its processes exit repeatedly")
        return super().answers()

    def load(self, image: str) -> None:
        save = subprocess.Popen(images.save_command(image), stdout=subprocess.PIPE)
        done = subprocess.run([*self._ctr(), "images", "import", "-"], stdin=save.stdout, capture_output=True, text=True)
        if save.wait() or done.returncode:
            raise RuntimeError(f"the image {image} could not be imported: {done.stderr}")

    def ctr(self, *arguments: str) -> None:
        """Run a command of containerd's client on the node."""
        done = subprocess.run([*self._ctr(), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")

    def has(self, image: str) -> bool:
        """Whether the node has an image with this name."""
        listed = subprocess.run([*self._ctr(), "images", "list", "--quiet"], capture_output=True, text=True)
        return image in listed.stdout.split()

    def remove(self) -> None:
        self.sandbox.remove()

    def _ctr(self) -> list[str]:
        socket_path = str(node.containerd_socket(self.sandbox.folder))
        return ["ctr", "--address", socket_path, "--namespace", "k8s.io"]


def handle(sandbox: Sandbox) -> BareCluster:
    """The cluster in a sandbox."""
    return BareCluster(sandbox.folder / "kubeconfig", str(binary("kubectl")), sandbox)


def up(kind: Kind, *, tied: bool) -> BareCluster:
    """Remove what stopped clusters left behind, start a cluster and wait until it is ready.

    A tied cluster is new and ends with this process. Otherwise, there is one cluster per kind; if it is already running,
    missing parts are added.
    """
    packages.ensure(packages.NODE if kind == "node" else packages.SANDBOX)
    build()
    remove_dead()
    sandbox = Sandbox(f"{kind}-{secrets.token_hex(3)}" if tied else kind)
    with locked(f"up-{kind}"):
        cluster = handle(sandbox)
        try:
            if not sandbox.alive():
                _start(kind, sandbox, tied=tied)
            cluster.wait_until_ready()
            if kind == "node":
                _finish(cluster)
        except BaseException as error:
            error.add_note(logs(sandbox))
            sandbox.remove()
            raise
    return cluster


def down(kind: Kind) -> list[str]:
    """Stop the cluster of this kind that is not tied to a process and remove leftovers of dead ones. Returns their names."""
    ended = [kind] if Sandbox(kind).folder.exists() else []
    Sandbox(kind).remove()
    return ended + remove_dead()


def running() -> list[Sandbox]:
    """The running clusters, tied or not."""
    return [run for run in every() if run.alive()]


def logs(sandbox: Sandbox) -> str:
    """The last lines of all logs."""
    files = [sandbox.folder / "init.log", *sorted((sandbox.folder / "log").glob("*.log"))]
    found = [(file, file.read_text(errors="replace").splitlines()[-LOG_LINES:]) for file in files if file.exists()]
    return "\n".join(f"--- {file.name}\n" + "\n".join(lines) for file, lines in found)


def _start(kind: Kind, sandbox: Sandbox, *, tied: bool) -> None:
    with sandbox.claimed() as lock, socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        processes = control_plane.processes(sandbox.folder, with_node=kind == "node")
        if kind == "node":
            sandbox.make_cgroups()
            processes |= node.processes(sandbox.folder, sandbox.cgroup)
        port = listener.getsockname()[1]
        config = certificates.kubeconfig(sandbox.folder / "pki", "admin", port)
        (sandbox.folder / "kubeconfig").write_text(config)
        sandbox.start(processes, lock, listener, tied=tied)


def _finish(cluster: BareCluster) -> None:
    wait_for(lambda: node.containerd_socket(cluster.sandbox.folder).exists(), "containerd")
    for image in (
        images.build_program("pause", 65535),
        images.build_program("coredns"),
        images.build_program("kuberay-operator", 65532, "/manager"),
    ):
        if not cluster.has(image):
            cluster.load(image)
    coredns = Template((MANIFESTS / "coredns.yaml").read_text())
    cluster.apply(coredns.substitute(image=images.program_image("coredns")))
    cluster.finish_node()
