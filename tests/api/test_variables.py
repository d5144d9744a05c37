"""Variables in the paths of a job."""

from pathlib import Path
from typing import Any

import pytest

from datajob.api.variables import expand_paths
from datajob.errors import InvalidJob
from tests.support.local_jobs import make_job


def job(*paths: str, **spec: Any) -> Any:
    return make_job(Path("x"), Path("out"), sources=[{"json": {"paths": list(paths)}}], **spec)


def test_variables_in_paths_are_replaced() -> None:
    sink = {"json": {"path": "$OUT/a"}}
    steps = [
        {"map": {"function": "m:f", "params": {"path": "$IN"}}},
        {"join": {"by": ["a"], "right": {"csv": {"paths": ["$IN/r"]}}}},
    ]
    found = expand_paths(
        job("$IN/a", "s3://${BUCKET}/b", "$$", sink=sink, steps=steps), {"IN": "/in", "BUCKET": "c", "OUT": "o"}
    )
    assert found.spec.sources[0].chosen.paths == ("/in/a", "s3://c/b", "$$")
    assert found.spec.sink.chosen.path == "o/a"
    assert found.spec.steps[0].chosen.params == {"path": "$IN"}
    assert found.spec.steps[1].chosen.side_sources()[0].paths == ("/in/r",)


def test_a_file_of_that_very_name_is_meant(tmp_path: Path) -> None:
    (tmp_path / "$IN").touch()
    assert expand_paths(job(f"{tmp_path}/$IN"), {}).spec.sources[0].chosen.paths == (f"{tmp_path}/$IN",)


def test_a_variable_that_is_not_set_is_an_error() -> None:
    with pytest.raises(InvalidJob, match=r"\$NOPE/x: the environment variable NOPE is not set"):
        expand_paths(job("$NOPE/x"), {})
