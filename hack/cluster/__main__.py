"""The command line of the test clusters: `python -m hack.cluster build|up|images|down|status`.

The last line that `up` prints is the path of the kubeconfig, for use in scripts.
"""

import argparse
import sys
from typing import get_args

from hack.cluster import bare, build, images, kind
from hack.cluster.cluster import Cluster
from hack.cluster.kinds import Kind
from hack.cluster.packages import MissingPackages
from hack.cluster.sandbox import Sandbox, every


def main() -> int:
    """Run a command. Missing packages are reported in one line."""
    arguments = _parser().parse_args()
    try:
        _COMMANDS[arguments.command](arguments.kind)
    except MissingPackages as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _build(_: Kind) -> None:
    build.build()
    print(f"all programs are in {build.cache() / 'bin'}")


def _up(wanted: Kind) -> None:
    cluster = kind.up() if kind.usable() else bare.up(wanted, tied=False)
    print(f"{cluster.kubectl_program} --kubeconfig={cluster.kubeconfig} get pods --all-namespaces\n{cluster.kubeconfig}")


def _images(_: Kind) -> None:
    image = images.build_ray()
    if cluster := running_node():
        cluster.load(image)
    print(image)


def running_node() -> Cluster | None:
    """The cluster started by `up`, or None if it is not running."""
    if kind.usable():
        return kind.handle() if kind.runs() else None
    return bare.handle(Sandbox("node")) if Sandbox("node").alive() else None


def _down(wanted: Kind) -> None:
    if kind.usable():
        kind.down()
    ended = bare.down(wanted)
    print(f"stopped: {', '.join(ended) or 'no cluster was running'}")


def _status(_: Kind) -> None:
    missing = build.missing()
    print(f"programs: {'built' if not missing else 'not built yet: ' + ', '.join(missing)}")
    if kind.usable() and kind.runs():
        print(f"kind: running, kubeconfig {kind.kubeconfig()}")
    for run in every():
        state = f"running, kubeconfig {bare.handle(run).kubeconfig}" if run.alive() else "dead; remove it with `down`"
        print(f"{run.name}: {state}")


_COMMANDS = {"build": _build, "up": _up, "images": _images, "down": _down, "status": _status}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description="Kubernetes clusters for tests.")
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("--kind", choices=get_args(Kind), default="node", help="the kind of cluster (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
