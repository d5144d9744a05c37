"""The recipes of docs/orchestrators.md can be read, are short, and use what exists."""

import ast
import inspect
import re
import shlex
from typing import Any

import pytest
import yaml

import datajob
from datajob.api.status import DataJobStatus
from datajob.cli.commands import datajob as commands
from datajob.python.submission import SubmittedJob
from tests.docs.test_pages import assert_valid
from tests.support.pages import blocks, read

PAGE = "docs/orchestrators.md"
MAX_LINES = 20
PYTHON = blocks(PAGE, "python")


def workflow() -> dict[str, Any]:
    """The Workflow on the page."""
    found = [yaml.safe_load(block.text) for block in blocks(PAGE, "yaml")]
    return next(one for one in found if one["kind"] == "Workflow")


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: str(block.line))
def test_a_recipe_in_python_calls_what_exists(block: Any) -> None:
    assert len(block.text.splitlines()) <= MAX_LINES
    for call in (node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)):
        if not isinstance(call.func, ast.Attribute):
            continue
        function: Any = {"submit": datajob.submit, "wait": SubmittedJob.wait}.get(call.func.attr)
        if function is not None:
            names = set(inspect.signature(function).parameters)
            assert {keyword.arg for keyword in call.keywords} <= names


def test_each_orchestrator_has_a_recipe() -> None:
    for name in ("Argo Workflows", "Airflow", "Kubeflow Pipelines", "Dagster", "Prefect"):
        section = re.split(rf"^## {name}$", read(PAGE), flags=re.MULTILINE)[1].split("\n## ")[0]
        assert "```" in section


def test_the_workflow_contains_a_valid_job_and_reads_fields_of_the_status() -> None:
    (template,) = workflow()["spec"]["templates"]
    job = yaml.safe_load(template["resource"]["manifest"])
    job["metadata"] = {"name": "generated"}
    assert_valid(job)
    (parameter,) = template["outputs"]["parameters"]
    assert parameter["valueFrom"]["jsonPath"] == "{.status.output.manifest}"
    phases = set(DataJobStatus.model_fields["phase"].annotation.__args__[0].__args__)  # type: ignore[union-attr]
    words = " ".join(template["resource"][f"{kind}Condition"] for kind in ("success", "failure"))
    assert set(re.findall(r"[A-Z]\w+", words)) <= phases


def test_commands_on_the_page_have_only_options_that_exist() -> None:
    options = {option for parameter in commands.commands["submit"].params for option in parameter.opts}
    found = [line for line in read(PAGE).splitlines() if "datajob submit" in line and "--" in line]
    used = {word for line in found for word in re.findall(r"(?<![\w-])--[a-z-]+", line)}
    assert used and used <= options
    for block in blocks(PAGE, "sh"):
        assert shlex.split(block.text)[:2] == ["datajob", "submit"]
