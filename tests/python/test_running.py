"""`load`, `validate`, `plan`, `run` and `analyze` of `datajob`."""

import builtins
import contextlib
import io
import logging
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import datajob
from tests.python.jobs import tidy

BROKEN = """\
apiVersion: datajob.io/v1alpha1
kind: DataJob
metadata: {name: broken}
spec:
  sources:
  - parquet: {paths: [in], columns: [id, text]}
  steps:
  - filter: {were: id > 1}
  sink: {parquet: {path: out}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A job that misses a column, in a file with a Service."""
    path = tmp_path / "job.yaml"
    text = BROKEN.replace("were: id > 1", "where: ids > 1").replace("[in]", f"[{tmp_path}/in]")
    path.write_text(f"apiVersion: v1\nkind: Service\n---\n{text}")
    tidy(tmp_path)
    return path


def test_a_job_is_loaded_from_a_path_a_file_and_a_mapping(file: Path) -> None:
    job = datajob.load(file)
    assert job.metadata.name == "broken"
    with file.open() as opened:
        assert datajob.load(opened) == job
    assert datajob.load(job.model_dump(mode="json", exclude_unset=True)) == job
    assert datajob.load(str(file), overrides={"spec.steps[0].filter.where": "id > 2"}).spec.steps[0].chosen.where == "id > 2"


def test_one_of_several_jobs_is_loaded_by_name(tmp_path: Path) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text(tidy(tmp_path).to_yaml() + "---\n" + tidy(tmp_path, name="other").to_yaml())
    assert datajob.load(file, name="other").metadata.name == "other"
    with pytest.raises(datajob.InvalidJob, match="contains 2 jobs"):
        datajob.load(file)
    with pytest.raises(datajob.InvalidJob, match="no job named third; it contains: tidy, other"):
        datajob.load(file, name="third")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (io.StringIO(BROKEN), "unknown key `were`; did you mean `where`"),
        ({"kind": "DataJob"}, "required field `spec` is missing"),
        ("/no/such/job.yaml", "cannot be read"),
    ],
)
def test_a_job_that_cannot_be_loaded_is_an_invalid_job(source: Any, said: str) -> None:
    with pytest.raises(datajob.InvalidJob, match=said):
        datajob.load(source)


def test_problems_are_returned_with_their_lines(file: Path) -> None:
    (problem,) = datajob.validate(file)
    assert problem.place == f"{file}:11" and problem.path == ("spec", "steps", 0, "filter") and not problem.warning
    assert "`ids`" in problem.message and problem.suggestion == "did you mean `id`?"
    assert "unknown key `were`" in " ".join(map(str, datajob.validate(yaml.safe_load(BROKEN))))


def test_a_valid_job_has_no_problems(tmp_path: Path) -> None:
    assert datajob.validate(tidy(tmp_path)) == []


def test_functions_are_imported_on_request(tmp_path: Path) -> None:
    job = tidy(tmp_path).model_dump(mode="json", exclude_unset=True)
    job["spec"]["steps"].append({"map": {"function": "no_such_module:f"}})
    assert datajob.validate(job) == []
    assert "no_such_module" in datajob.validate(job, imports=True)[0].message


def test_the_plan_is_the_text_of_a_dry_run(tmp_path: Path) -> None:
    plan = datajob.plan(tidy(tmp_path))
    lines = repr(plan).splitlines()
    assert lines[0] == "DataJob tidy" and any("exactDedup" in line for line in lines)
    assert plan._repr_html_().startswith("<pre>DataJob tidy\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("call", [datajob.run, datajob.plan, datajob.analyze])
def test_a_problem_is_raised_with_its_line(call: Any, file: Path) -> None:
    with pytest.raises(datajob.InvalidJob) as refused:
        call(file)
    assert str(refused.value).startswith(f"1 problem in the job:\n  {file}:11: spec.steps[0].filter: ")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"spec.sources[0].parquet.paths": ["/no/where"]}, datajob.InputError),
        ({"spec.sink.parquet.path": "/proc/nothing/here"}, datajob.SinkError),
        ({"spec.steps[0].filter.where": "body > 3"}, datajob.InvalidJob),
    ],
)
def test_errors_are_the_projects_own(change: dict[str, Any], error: type[Exception], tmp_path: Path) -> None:
    job = datajob.load(tidy(tmp_path).model_dump(mode="json", exclude_unset=True), overrides=change)
    with pytest.raises(error):
        datajob.run(job, executor="local")


def test_a_result_is_not_overwritten(tmp_path: Path) -> None:
    datajob.run(tidy(tmp_path), executor="local")
    with pytest.raises(datajob.SinkError, match="already holds data"):
        datajob.run(tidy(tmp_path), executor="local")


@pytest.mark.parametrize("resume", [True, False])
def test_an_interrupted_run_is_resumed_on_request(resume: bool, tmp_path: Path) -> None:
    def interrupt(report: datajob.Report) -> None:
        raise KeyboardInterrupt

    job = tidy(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        datajob.run(job, executor="local", progress=interrupt)
    result = datajob.run(job, executor="local", resume=resume)
    assert (result.report.shards_reused > 0) == resume and result.report.progress.rows_out == 4


@pytest.mark.parametrize("call", [datajob.run, datajob.analyze])
def test_an_unknown_executor_is_rejected(call: Any, tmp_path: Path) -> None:
    with pytest.raises(datajob.InvalidJob, match="executor must be one of auto, ray, local, got spark"):
        call(tidy(tmp_path), executor="spark")


def test_the_module_search_path_is_restored(tmp_path: Path) -> None:
    before = list(sys.path)
    datajob.run(tidy(tmp_path), executor="local", python_path=[str(tmp_path)])
    assert sys.path == before


def test_an_analysis_measures_and_writes_nothing(tmp_path: Path) -> None:
    found = datajob.analyze(tidy(tmp_path), measures=["textLength"], numbers=["id"], executor="local")
    assert [(m.of, m.name, m.rows) for m in found.measures] == [("textLength", "text_length", 6), ("columns", "id", 6)]
    assert repr(found).startswith("tidy: measured 6 rows.") and "\x1b" not in repr(found)
    frame = found.to_pandas()
    assert list(frame.columns[:4]) == ["filter", "measure", "rows", "missing"] and frame["p50"].tolist() == [9.0, 2.0]
    page = found._repr_html_()
    assert "<b>textLength</b>" in page and "text_length" in page and "Suggested" in page
    assert not (tmp_path / "out").exists()


def test_an_analysis_keeps_its_report_in_the_given_folder(tmp_path: Path) -> None:
    datajob.analyze(tidy(tmp_path), measures=["textLength"], out=str(tmp_path / "found"), executor="local")
    assert (tmp_path / "found/_datajob/report.html").exists()


WRONG = [{"sample": 0}, {"after": "nothing"}, {"measures": ["exactDedup"]}, {"ray_address": "auto"}]


@pytest.mark.parametrize("options", WRONG)
def test_invalid_options_of_an_analysis_are_rejected(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(datajob.InvalidJob):
        datajob.analyze(tidy(tmp_path), **options)


def test_a_callback_gets_reports(tmp_path: Path) -> None:
    reports: list[datajob.Report] = []
    datajob.run(tidy(tmp_path), executor="local", progress=reports.append)
    assert len(reports) > 1 and reports[-1].state == "complete" and reports[-1].progress.percent == 100


def test_a_run_is_silent_unless_asked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    datajob.run(tidy(tmp_path), executor="local")
    assert capfd.readouterr() == ("", "") and not [r for r in caplog.records if r.name == "datajob"]
    datajob.run(tidy(tmp_path / "again"), executor="local", progress=True)
    assert "tidy: 1 file, " in capfd.readouterr().err


def test_a_notebook_gets_one_output_that_is_updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def display(view: Any, display_id: bool) -> Any:
        assert display_id
        shown.append(view._repr_html_())
        return SimpleNamespace(update=lambda changed: shown.append(changed._repr_html_()))

    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    with contextlib.redirect_stderr(io.StringIO()) as err:
        datajob.run(tidy(tmp_path), executor="local", progress=True)
    assert err.getvalue() == "" and len(shown) >= 3
    assert "<b>tidy</b>" in shown[0] and 'value="100"' in shown[-1] and "6 rows in, 4 out" in shown[-1]


def test_a_run_never_exits_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the process was to end")

    for module, name in ((sys, "exit"), (os, "_exit"), (builtins, "exit")):
        monkeypatch.setattr(module, name, never, raising=False)
    datajob.run(tidy(tmp_path), executor="local")
    with pytest.raises(datajob.SinkError):
        datajob.run(tidy(tmp_path), executor="local")
