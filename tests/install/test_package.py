"""What `pip install datajob` puts into an environment, and a job with the user's modules next to it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import datajob
from tests.python.jobs import write_input

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or shutil.which("uv", path=os.path.expanduser("~/.cache/datajob/uv/bin"))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(UV is None, reason="needs uv")]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    """The output of a command, which must succeed. Neither the checkout nor the folder of the tests is on the path."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(str(UV), "build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel alone."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    run(str(UV), "venv", "--quiet", "--python", sys.executable, folder)
    run(str(UV), "pip", "install", "--quiet", "--no-deps", "--python", folder / "bin/python", wheel)
    return folder


def site_packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


def test_the_wheel_holds_two_packages_and_none_of_the_files_next_to_them(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    info = f"datajob-{datajob.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"datajob", "datajob_controller", info}
    assert {"datajob/py.typed", "datajob_controller/py.typed", "datajob/steps.pyi", f"{info}/licenses/LICENSE"} <= set(names)
    kinds = {Path(name).suffix for name in names if not name.startswith(info)}
    assert kinds <= {".py", ".pyi", ".typed", ".css", ".txt", ".json", ".gz", ".ftz", ".tsv", ".zst"}
    assert not [name for name in names if "Dockerfile" in name or name.endswith((".sh", ".pyc"))]


def test_installing_puts_nothing_else_into_site_packages(environment: Path) -> None:
    found = {path.name for path in site_packages(environment).iterdir()} - {"__pycache__"}
    assert {name for name in found if "virtualenv" not in name} == {
        "datajob",
        "datajob_controller",
        f"datajob-{datajob.__version__}.dist-info",
    }


JOB = """\
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {name: mine}
spec:
  sources: [parquet: {paths: [in]}]
  steps:
  - map: {function: "operators:shout"}
  - map: {function: "workloads.cleaning:mark"}
  sink: {json: {path: out}}
"""


@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_modules_of_the_user_that_are_named_like_ours_disturb_nothing(executor: str, environment: Path, tmp_path: Path) -> None:
    # The installed command with the packages of this environment, but without its checkout.
    (site_packages(environment) / "packages.pth").write_text(sysconfig.get_path("purelib"))
    write_input(tmp_path / "in")
    (tmp_path / "job.yaml").write_text(JOB)
    for name in ("controller", "api", "engine", "cli", "formats", "steps", "errors"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "operators.py").write_text("def shout(row):\n    return row | {'text': row['text'].upper()}\n")
    (tmp_path / "workloads").mkdir()
    (tmp_path / "workloads" / "__init__.py").write_text("")
    (tmp_path / "workloads" / "cleaning.py").write_text("def mark(row):\n    return row | {'text': row['text'] + '!'}\n")
    run(environment / "bin/datajob", "validate", "--import", "job.yaml", cwd=tmp_path)
    run(environment / "bin/datajob", "run", "--executor", executor, "job.yaml", cwd=tmp_path)
    (result,) = (tmp_path / "out").glob("*.jsonl")
    assert "TWO ROSES!" in result.read_text()
    where = run(environment / "bin/python", "-c", "import datajob; print(datajob.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment)
