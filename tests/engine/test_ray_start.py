"""The Ray that a run starts ends with the run, also if the run is refused before its input is listed."""

from pathlib import Path

import pytest

from datajob.engine.executors.ray_data import STARTS, start_ray
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


@pytest.mark.parametrize(
    ("failures", "message", "starts"),
    [
        (STARTS - 1, "The current node timed out during startup.", True),
        (STARTS, "The current node timed out during startup.", False),
        (1, "No such file", False),
    ],
)
def test_a_start_that_takes_too_long_is_retried(
    failures: int, message: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    calls: list[str] = []

    def init(num_cpus: int, address: str = "auto") -> None:
        calls.append(address)
        if len(calls) <= failures:
            raise Exception(message)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    if starts:
        start_ray(num_cpus=2)
        assert calls == ["auto", *["local"] * (STARTS - 1)], "what is left of a failed start is not used"
    else:
        with pytest.raises(Exception, match=message):
            start_ray(num_cpus=2)
        assert len(calls) == failures
