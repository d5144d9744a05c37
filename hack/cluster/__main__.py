"""The command line of the test clusters: `python -m hack.cluster build|up|images|down|status`.

It prints what it does; the last line of `up` is the path of the kubeconfig, alone, so that a script can take it.
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
    """Do one thing, and say in one line why it cannot be done."""
    arguments = _parser().parse_args()
    try:
        _COMMANDS[arguments.command](arguments.kind)
    except MissingPackages as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _build(_: Kind) -> None:
    build.build()
    print(f"everything is in {build.cache() / 'bin'}")


def _up(wanted: Kind) -> None:
    cluster = kind.up() if kind.usable() else bare.up(wanted, tied=False)
    print(f"{cluster.kubectl_program} --kubeconfig={cluster.kubeconfig} get pods --all-namespaces\n{cluster.kubeconfig}")


def _images(_: Kind) -> None:
    image = images.build_ray()
    if cluster := running_node():
        cluster.load(image)
    print(image)


def running_node() -> Cluster | None:
    """The node of `up`, if it runs."""
    if kind.usable():
        return kind.handle() if kind.runs() else None
    return bare.handle(Sandbox("node")) if Sandbox("node").alive() else None


def _down(wanted: Kind) -> None:
    if kind.usable():
        kind.down()
    ended = bare.down(wanted)
    print(f"ended: {', '.join(ended) or 'nothing was running'}")


def _status(_: Kind) -> None:
    missing = build.missing()
    print(f"programs: {'all built' if not missing else 'to be built: ' + ', '.join(missing)}")
    if kind.usable() and kind.runs():
        print(f"kind: runs, kubeconfig {kind.kubeconfig()}")
    for run in every():
        state = f"runs, kubeconfig {bare.handle(run).kubeconfig}" if run.alive() else "dead; `down` clears it away"
        print(f"{run.name}: {state}")


_COMMANDS = {"build": _build, "up": _up, "images": _images, "down": _down, "status": _status}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description="Real Kubernetes clusters for the tests.")
    parser.add_argument("command", choices=_COMMANDS)
    parser.add_argument("--kind", choices=get_args(Kind), default="node", help="what to start or to end (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
