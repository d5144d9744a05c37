"""The Ray that a run starts ends with the run, also if the run is refused before its input is listed."""

from pathlib import Path

import pytest

from datajob.errors import InvalidJob
from tests.support.local_jobs import make_job, run, write_parts


@pytest.mark.ray
@pytest.mark.slow
def test_a_job_whose_model_fits_no_machine_leaves_no_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    assert not ray.is_initialized()
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", '{"GPU": 1}')
    write_parts(tmp_path / "in", [{"id": 1}], 1)
    occupy = {"custom": {"operator": "tests.support.devices:Occupy", "params": {"share": 2.0}}}
    with pytest.raises(InvalidJob, match="requires 2 GPU"):
        run(make_job(tmp_path / "in", tmp_path / "out", [occupy]), executor="ray")
    assert not ray.is_initialized()
