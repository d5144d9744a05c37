"""What `datajob submit --wait` concludes from the status of a DataJob."""

from typing import Any

import pytest

from datajob import errors
from datajob.api.contract import FINAL_ERRORS, TEMPORARY_ERRORS
from datajob.cli.submitting import duration
from datajob.errors import InvalidJob, NotComplete
from datajob.python.outcome import outcome, progress_line


def job(generation: int = 1, phase: str = "", reason: str = "", **conditions: tuple[str, str, str]) -> dict[str, Any]:
    found = [{"type": t, "status": s, "reason": r, "message": m} for t, (s, r, m) in conditions.items()]
    return {"status": {"observedGeneration": generation, "phase": phase, "reason": reason, "conditions": found}}


def failed(reason: str) -> dict[str, Any]:
    return job(Finished=("True", "NotRetried", ""), Failed=("True", reason, "because"), Accepted=("True", "Accepted", ""))


@pytest.mark.parametrize("reason", [*FINAL_ERRORS.values(), *TEMPORARY_ERRORS.values()])
def test_the_error_is_that_of_a_local_run(reason: str) -> None:
    found = outcome(failed(reason), 1)
    assert found is not None and found.error is getattr(errors, reason) and "because" in found.message


@pytest.mark.parametrize("reason", ["OutOfMemory", "DeadlineExceeded", "StartTimeout", "PodsRefused", "NewReason", ""])
def test_another_reason_has_a_separate_code(reason: str) -> None:
    found = outcome(failed(reason), 1)
    assert found is not None and found.error is NotComplete and reason in found.message


def test_an_invalid_spec_is_an_invalid_job() -> None:
    found = outcome(job(Finished=("True", "InvalidSpec", ""), Accepted=("False", "InvalidSpec", "spec.steps[0]: ...")), 1)
    assert found is not None and found.error is InvalidJob and "steps" in found.message


@pytest.mark.parametrize(
    "unfinished",
    [
        {},
        {"status": {}},
        job(phase="Running", Finished=("False", "Running", "")),
        job(phase="Suspended", Suspended=("True", "Suspended", "")),
        job(phase="Retrying", Failed=("False", "OutOfMemory", "")),
    ],
)
def test_a_job_without_the_condition_finished_has_not_ended(unfinished: dict[str, Any]) -> None:
    assert outcome(unfinished, 1) is None


def test_a_status_of_an_earlier_spec_is_not_the_outcome() -> None:
    complete = job(4, "Complete", Finished=("True", "Succeeded", ""), Complete=("True", "Succeeded", ""))
    assert outcome(complete, 5) is None
    found = outcome(complete, 4)
    assert found is not None and found.error is None


def test_a_line_of_progress_has_the_phase_the_reason_and_the_rows() -> None:
    running = job(phase="Running", reason="Running")
    progress = {"percent": 30, "rowsIn": 1200, "rowsOut": 1100, "rowsFailed": 2, "shardsTotal": 9, "etaSeconds": 3700}
    running["status"]["progress"] = progress
    assert progress_line(running) == "Running, 30 %, 1,200 rows in, 1,100 out, 2 failed, about 1 h 1 min left"
    pending = job(phase="Pending", reason="KubeRayMissing", Reconciling=("True", "KubeRayMissing", "Install KubeRay.\nmore"))
    assert progress_line(pending) == "Pending (KubeRayMissing), Install KubeRay."
    assert progress_line({}) == "Pending"


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1h1m1s", 3661), ("0", 0)]
)
def test_durations(text: str | None, seconds: float | None) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "1d", "-1", "1.5h", "m"])
def test_other_texts_are_not_durations(text: str) -> None:
    with pytest.raises(InvalidJob, match="1h30m"):
        duration(text)
