"""Fixtures of the tests of the command line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.console import datajob

__all__ = ["datajob"]

JOB = """\
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {{name: tidy}}
spec:
  sources:
  - parquet: {{paths: ["{folder}/in"]}}
  steps:
  - filter: {{where: length(text) > 3}}
  - exactDedup: {{columns: [text]}}
  sink:
    parquet: {{path: "{folder}/out"}}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job over six rows of which one is short and one is a duplicate."""
    (tmp_path / "in").mkdir()
    texts = ["<b>one</b>", "two roses", "<b>one</b>", "no", "three roses", "four"]
    pq.write_table(pa.table({"id": range(6), "text": texts}), tmp_path / "in" / "rows.parquet")
    file = tmp_path / "job.yaml"
    file.write_text(JOB.format(folder=tmp_path))
    return file
