"""Part of the fuzzer with a fixed seed. Random seeds: `make fuzz`. One case: `python -m tests.fuzz --case check:seed`."""

import subprocess
import sys
from pathlib import Path

import pytest

SEED, CASES = 2406271979, 2000


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_tables_and_damaged_files_of_a_fixed_seed_find_nothing() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seed", str(SEED), "--cases", str(CASES)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " 0 findings" in done.stdout
