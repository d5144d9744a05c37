"""`make bench`: measure every number of the README together with what it is compared with."""

import argparse
import subprocess
import sys
from pathlib import Path

DEFAULT = ("engine", "slow_steps", "text_kernels", "text_peers", "dedup_minhash")
"""Benchmarks that need neither root, a cluster nor torch. Name others on the command line."""


def main() -> int:
    """Run benchmarks one after the other and print their output, with all JSON lines at the end."""
    available = sorted(
        p.stem for p in Path(__file__).parent.glob("*.py") if "def main" in p.read_text() and p.stem != "__main__"
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*available, []], default=[], help="benchmarks to run")
    names = parser.parse_args().names or [n for n in DEFAULT if n in available]
    lines: list[str] = []
    failed: list[str] = []
    for name in names:
        print(f"== {name}", flush=True)
        with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                if line.startswith("{"):
                    lines.append(line.rstrip("\n"))
                else:
                    print(line, end="", flush=True)
        failed += [name] * (process.returncode != 0)
    print("\n".join(lines))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
