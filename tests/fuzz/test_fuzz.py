"""One minute of the fuzzer. Longer with `make fuzz`; one case again with `python -m tests.fuzz --case check:seed`."""

import subprocess
import sys
from pathlib import Path

import pytest

SECONDS = 60


@pytest.mark.slow
def test_a_minute_of_random_tables_and_damaged_files_finds_nothing() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=4 * SECONDS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " 0 findings" in done.stdout
