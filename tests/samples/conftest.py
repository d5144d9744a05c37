"""Run the jobs in manifests/samples as in the README, with results in the folder of the test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datajob.api.loading import load
from datajob.api.report import Report
from datajob.formats.base import Reader
from datajob.formats.folder import Folder
from datajob.formats.parquet import ParquetReader
from tests.support.console import DataJobCommand, datajob
from tests.support.rows import read

__all__ = ["datajob"]

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "manifests" / "samples"
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Ran:
    """What a sample left."""

    folder: Path
    report: Report

    def rows(self, name: str = "out", reader: type[Reader] = ParquetReader) -> Rows:
        """The rows of a folder that the job wrote: its sink, `rejects` or `quarantine`."""
        found: Rows = read(reader(paths=(str(self.folder / name),))).to_pylist()
        return found

    def rejected(self) -> dict[str, int]:
        """How many rows were dropped, by reason, over all steps."""
        reasons: dict[str, int] = {}
        for step in self.report.steps:
            for reason, count in step.rejected.items():
                reasons[reason] = reasons.get(reason, 0) + count
        return reasons


Sample = Callable[..., Ran]


@pytest.fixture
def sample(datajob: DataJobCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sample:
    """`sample("gopher.yaml")` runs it in this process; further arguments are values for `--set`."""
    monkeypatch.chdir(ROOT)

    def run(name: str, *overrides: str, into: str = f"{tmp_path}/out", executor: str = "local") -> Ran:
        spec = load(str(SAMPLES / name))[0].spec
        folders = [f"spec.sink.{spec.sink.key}.path={into}"]
        folders += [f"spec.rejects.path={tmp_path}/rejects"] if spec.rejects else []
        folders += [f"spec.errors.path={tmp_path}/quarantine"] if spec.errors.path else []
        sets = [argument for value in (*folders, *overrides) for argument in ("--set", value)]
        ended = datajob("run", "--executor", executor, f"manifests/samples/{name}", *sets)
        assert ended.code == 0, ended.err
        return Ran(tmp_path, Report.model_validate_json(Folder(into).read("_datajob/report.json")))

    return run
