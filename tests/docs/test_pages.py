"""The pages are correct: YAML is valid, links resolve, and the names on them exist."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob.api.checks import check
from datajob.api.datajob import DataJob
from datajob.api.loading import parse_object, parse_service
from datajob.api.service.checks import check_service
from datajob.operators.base import Operator
from datajob.operators.registry import all_operators
from tests.support.pages import PAGES, ROOT, Block, blocks, read

YAML = [block for page in PAGES for block in blocks(page, "yaml")]
REFERENCE = re.compile(r"\]\((?!https?://)([^)#]+)(#[^)]*)?\)")


@pytest.mark.parametrize("block", YAML, ids=[f"{block.page}:{block.line}" for block in YAML])
def test_yaml_on_a_page_is_a_valid_job_or_part_of_one(block: Block) -> None:
    for document in yaml.safe_load_all(block.text):
        if document.get("kind", "DataJob") == "DataJob":
            assert_valid(document if "kind" in document else around(document))
        elif document["kind"] == "ModelService":
            service, problems = parse_service(document)
            assert service is not None, problems
            assert not [problem for problem in check_service(service) if not problem.warning]


def assert_valid(value: dict[str, Any]) -> DataJob:
    """The job in `value`, which must fit the schema and pass the checks."""
    job, problems = parse_object(value)
    assert job is not None, problems
    assert not [problem for problem in check(job) if not problem.warning]
    return job


def around(part: dict[str, Any]) -> dict[str, Any]:
    """The smallest job with this part of a spec."""
    spec = {"sources": [{"json": {"paths": ["in/"]}}], "sink": {"parquet": {"path": "out/result"}}} | part
    return {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": "part"}, "spec": spec}


@pytest.mark.parametrize(("page", "count"), [("images", 14), ("audio", 16), ("video", 10)])
def test_steps_in_tables_about_media_are_valid(page: str, count: int) -> None:
    found = re.findall(r"`(\w+): (\{[^`]*\})`", read(f"docs/{page}.md"))
    assert len(found) >= count
    keys = {operator.key for operator in all_operators().values()}
    for key, parameters in found:
        if key in keys:
            assert_valid(around({"steps": [{key: yaml.safe_load(parameters)}]}))


@pytest.mark.parametrize(
    "page",
    [
        *PAGES,
        *(str(p.relative_to(ROOT)) for folder in ("docs/adr", "docs/runbooks", "hack") for p in ROOT.glob(f"{folder}/*.md")),
    ],
)
def test_a_link_resolves(page: str) -> None:
    for target, anchor in REFERENCE.findall(read(page)):
        file = ROOT / Path(page).parent / target
        assert file.exists(), f"{page} links to {target}"
        assert not anchor or anchor[1:] in anchors(file), f"{page} links to {target}{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub creates them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def example(operator: type[Operator]) -> str:
    """The YAML at the end of an operator's docstring; empty when it has none."""
    documentation = inspect.cleandoc(operator.__doc__ or "")
    return documentation.partition("Example:\n")[2]


@pytest.mark.parametrize("key", [key for key, operator in all_operators().items() if example(operator)])
def test_the_example_of_an_operator_is_made_of_valid_steps(key: str) -> None:
    steps = yaml.safe_load(example(all_operators()[key]))
    job = assert_valid(around({"steps": steps}))
    assert key in {step.key for step in job.spec.steps}


def test_operators_named_in_the_readme_exist() -> None:
    section = read("README.md").split("## Operators")[1].split("The reference describes")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert len(named) > 20
    assert not named - all_operators().keys()


def test_the_readme_installs_extras_that_exist() -> None:
    (extras,) = re.findall(r"pip install '\.\[([\w,]+)\]'", read("README.md"))
    project = tomllib.loads(read("pyproject.toml"))["project"]
    assert not set(extras.split(",")) - project["optional-dependencies"].keys()


def test_samples_are_all_named_in_the_readme() -> None:
    for sample in ROOT.glob("manifests/samples/*.yaml"):
        assert f"manifests/samples/{sample.name}" in read("README.md"), f"add {sample.name} to the table of samples"


def test_the_screenshot_is_small() -> None:
    assert (ROOT / "docs/images/report.png").stat().st_size < 200_000
