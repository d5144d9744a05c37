"""Jobs are parsed and checked quickly, without the packages that only runs require."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from tests.api.test_loading import GOOD

HEAVY = ("ray", "torch", "pyarrow", "numpy", "pandas", "duckdb", "numba", "fsspec", "rich", "kubernetes", "kopf")
CPU_SECONDS = 1.0
"""More than twice as much as on a laptop."""


def test_loading_and_checking_a_job_imports_nothing_heavy() -> None:
    program = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {HEAVY!r}:
            raise ImportError(f'{{name}} is blocked')
sys.meta_path.insert(0, Blocked())
from datajob.api.checks import check
from datajob.api.loading import read_text
from datajob.api.crd import crd_yaml
from datajob.api.reference import operators_page
(document,) = read_text({GOOD!r} + '  steps: [gopherQuality: {{}}, exactDedup: {{}}]')
assert not document.problems and not check(document.job), document.problems
crd_yaml(), operators_page()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def _processor_seconds(*command: str, cache: Path) -> float:
    """The best CPU time of three runs with compiled modules, which does not depend on the load of the machine."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPYCACHEPREFIX": str(cache)}
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "datajob.cli", *command], check=True, capture_output=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def test_help_and_validate_are_fast(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(GOOD + "  steps:\n  - filter: {where: length(text) > 50}\n  - gopherQuality: {}\n")
    assert _processor_seconds("--help", cache=tmp_path) < CPU_SECONDS / 2
    assert _processor_seconds("validate", str(job), cache=tmp_path) < CPU_SECONDS
