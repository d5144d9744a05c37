"""The commands that only read: validate, operators, schema, version, completion, and errors of usage."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from datajob import __version__
from datajob.api.generate import generated
from datajob.cli import commands
from tests.support.console import DataJobCommand


def test_help_lists_every_command_and_the_exit_codes(datajob: DataJobCommand) -> None:
    ended = datajob("--help")
    assert ended.code == 0
    assert all(f"  {name}  " in ended.out for name in commands.datajob.commands)
    assert "Exit codes" in ended.out


@pytest.mark.parametrize("arguments", [(), ("run",), ("run", "x", "--nonsense"), ("nonsense",), ("validate",)])
def test_wrong_usage_exits_with_2_and_no_traceback(datajob: DataJobCommand, arguments: tuple[str, ...]) -> None:
    ended = datajob(*arguments)
    assert ended.code == 2 and "Usage" in ended.err + ended.out and "Traceback" not in ended.err


def test_a_valid_job_is_ok(datajob: DataJobCommand, job: Path) -> None:
    assert datajob("validate", str(job)).out == f"{job}:1: tidy: ok\n"


def test_an_invalid_job_is_reported_with_its_problems(datajob: DataJobCommand, job: Path) -> None:
    ended = datajob("validate", str(job), "--set", "spec.steps[0].filtr.where=x")
    assert ended.code == 2
    assert ended.out.startswith(f"{job}:1: tidy: invalid\n  {job}:8: spec.steps[0]: needs exactly one operator key")


def test_all_files_are_checked(datajob: DataJobCommand, job: Path, tmp_path: Path) -> None:
    ended = datajob("validate", str(tmp_path / "none.yaml"), str(job))
    assert ended.code == 2
    assert "none.yaml cannot be read" in ended.out and "tidy: ok" in ended.out


def test_problems_can_be_printed_as_json(datajob: DataJobCommand, job: Path) -> None:
    ended = datajob("validate", "-o", "json", str(job), "--set", "spec.retry.limt=3")
    (document,) = json.loads(ended.out)
    assert (document["name"], document["valid"]) == ("tidy", False)
    assert document["problems"] == [
        {
            "place": "--set",
            "path": "spec.retry.limt",
            "level": "error",
            "message": "unknown key `limt`",
            "suggestion": "did you mean `limit`?",
        }
    ]


def test_functions_next_to_the_job_are_imported_on_request(datajob: DataJobCommand, job: Path) -> None:
    names = "spec.steps[2]={map: {function: 'beside_the_job:tidy'}}"
    assert datajob("validate", str(job), "--set", names).code == 0
    missing = datajob("validate", "--import", str(job), "--set", names)
    assert missing.code == 2 and "beside_the_job" in missing.out
    (job.parent / "beside_the_job.py").write_text("def tidy(row):\n    return row\n")
    assert datajob("validate", "--import", str(job), "--set", names).code == 0


def test_operators_are_listed_and_described(datajob: DataJobCommand) -> None:
    listed = datajob("operators").out
    assert "  gopherQuality " in listed and listed.index("table") < listed.index("text")
    described = datajob("operators", "gopherQuality").out
    assert "minWords  integer >= 0, default 50" in described


def test_an_unknown_operator_is_reported_with_a_suggestion(datajob: DataJobCommand) -> None:
    ended = datajob("operators", "gopherQualty")
    assert (ended.code, ended.err) == (2, "Error: Unknown operator `gopherQualty`; did you mean `gopherQuality`?\n")


def test_the_schema_and_the_crd_are_printed(datajob: DataJobCommand) -> None:
    assert json.loads(datajob("schema").out)["title"] == "DataJob"
    assert yaml.safe_load(datajob("schema", "--crd").out)["kind"] == "CustomResourceDefinition"
    assert datajob("schema").out == generated()["docs/datajob.schema.json"]


def test_the_versions_of_datajob_and_its_packages_are_printed(datajob: DataJobCommand) -> None:
    lines = datajob("version").out.splitlines()
    assert lines[0] == f"datajob {__version__}" and any(line.startswith("ray ") for line in lines)
    assert datajob("--version").out == f"datajob, version {__version__}\n"


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete -o nosort"), ("zsh", "#compdef datajob"), ("fish", "complete")])
def test_a_completion_script_is_printed(datajob: DataJobCommand, shell: str, mark: str) -> None:
    assert mark in datajob("completion", shell).out


@pytest.mark.parametrize(
    ("words", "completed"),
    [("datajob op", "operators"), ("datajob operators gopherQ", "gopherQuality"), ("datajob run --exe", "--executor")],
)
def test_the_shell_completes_commands_options_and_operators(words: str, completed: str) -> None:
    asked = {"_DATAJOB_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    command = [sys.executable, "-m", "datajob.cli"]
    answer = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True)
    assert f"plain,{completed}" in answer.stdout.splitlines()


def test_a_closed_pipe_is_not_an_error(job: Path) -> None:
    command = f"{sys.executable} -m datajob.cli schema --crd | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("apiVersion: apiextensions.k8s.io/v1\n", "")
