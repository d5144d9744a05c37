"""Runs cases in child processes until the time is over. A finding is printed as `check seed: what is wrong`.

python -m tests.fuzz --seconds 600            random cases, after those of past_faults.txt
python -m tests.fuzz --seed 1 --cases 2000    the same cases on every machine
python -m tests.fuzz --case json_lines:4711   one case, in this process
"""

import argparse
import math
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.checks import CHECKS, run_case

PAST = Path(__file__).with_name("past_faults.txt")
CASES_PER_CHILD = 200
CASE_SECONDS = 60


def past_faults() -> list[str]:
    """The cases that found a fault once."""
    return [line.split("#")[0].strip() for line in PAST.read_text().splitlines() if line.split("#")[0].strip()]


def main() -> int:
    """The command line; the exit code is 1 when anything was found."""
    arguments = argparse.ArgumentParser(prog="tests.fuzz")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--cases", type=int, default=None, help="the number of cases, instead of a time")
    arguments.add_argument("--seed", type=int, default=None, help="seed of the whole run; by default a new one")
    arguments.add_argument("--case", default=None, help="check:seed")
    arguments.add_argument("--child", nargs="*", default=None, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case is not None:
        run_case(given.case)
        return 0
    if given.child is not None:
        return _child(given.child)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    return _parent(given.seconds if given.cases is None else math.inf, given.cases or sys.maxsize, seed)


def _child(cases: list[str]) -> int:
    for case in cases:
        print("begin", case, flush=True)
        try:
            run_case(case)
        except Exception as error:  # noqa: BLE001 (that is what we look for)
            print("found", case, f"{type(error).__name__}: {' '.join(str(error).split())[:600]}", flush=True)
    print("end", flush=True)
    return 0


def _parent(seconds: float, cases: int, seed: int) -> int:
    """Runs cases until the time or their number is reached."""
    print(f"seed {seed}")
    rng, end = random.Random(seed), time.monotonic() + seconds
    found: list[str] = []
    done, waiting = 0, past_faults()
    while waiting or (done < cases and time.monotonic() < end):
        while len(waiting) < CASES_PER_CHILD:
            waiting.append(f"{rng.choice(list(CHECKS))}:{rng.randrange(2**32)}")
        batch, waiting = waiting[:CASES_PER_CHILD], waiting[CASES_PER_CHILD:]
        ran, findings = _run(batch, max(5.0, end - time.monotonic()))
        done += ran
        for finding in findings:
            print(finding, flush=True)
        found += findings
        waiting = waiting if done < cases and time.monotonic() < end else []
    print(f"{done} cases, {len(found)} findings")
    return 1 if found else 0


def _run(cases: list[str], seconds: float) -> tuple[int, list[str]]:
    """Runs cases in a child; a case that kills it or hangs is a finding, and the next child begins behind it."""
    found: list[str] = []
    done, end = 0, time.monotonic() + seconds
    while cases and time.monotonic() < end:
        with tempfile.TemporaryFile("w+") as out:
            command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz", "--child", *cases]
            child = subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True)
            ended = True
            try:
                error = child.communicate(timeout=max(1.0, min(end - time.monotonic(), CASE_SECONDS * len(cases))))[1]
            except subprocess.TimeoutExpired:
                ended = False
                child.kill()
                error = child.communicate()[1]
            out.seek(0)
            lines = out.read().splitlines()
        begun = [line.split(" ", 1)[1] for line in lines if line.startswith("begin ")]
        found += [line.removeprefix("found ") for line in lines if line.startswith("found ")]
        done += len(begun)
        if "end" in lines or not begun:
            if not begun and ended and child.returncode:
                found.append(f"the child does not start: {error[-300:]}")
            break
        if time.monotonic() < end:
            found.append(f"{begun[-1]} ended the process with code {child.returncode}: {' '.join(error.split())[:300]}")
        cases = cases[len(begun) :]
    return done, found


if __name__ == "__main__":
    sys.exit(main())
