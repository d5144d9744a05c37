"""The sources of an earlier version of the controller, for tests of upgrades and of the way back."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = "6d18784"
"""The last commit whose controller recognizes runs by their names alone and whose CRD has defaults."""


def unpacked(folder: Path) -> Path:
    """The sources, unpacked to a folder. Skips the test if the clone does not contain the commit."""
    wanted = ["controller", "workloads", "manifests/crd"]
    archive = subprocess.run(["git", "archive", COMMIT, *wanted], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"commit {COMMIT} is not in this clone: {archive.stderr.decode()}")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive.stdout, check=True)
    return folder


def python_path(sources: Path) -> str:
    """The value of PYTHONPATH with which Python runs these sources."""
    return f"{sources / 'controller'}:{sources / 'workloads'}"
