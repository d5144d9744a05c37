"""What the controller checks before pods start, with the packages of its image only."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.world import datajob

ROOT = Path(__file__).parents[2]
LIMIT = 16_384
MEGABYTES = 220
"""The limit of the controller's memory is 384 MiB, of which it needs less than half."""
_CHECK = """
import json, re, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {blocked!r}:
            raise ModuleNotFoundError(f'{{name}} is not in the image', name=name)
sys.meta_path.insert(0, Blocked())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.split('.')[0] in {blocked!r} else found(name, *rest)
from datajob_controller.datajob.run import current_run
run, problems = current_run(json.load(sys.stdin))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(json.dumps([problems, int(peak[1]) // 1024]))
"""


def names(extra: str) -> set[str]:
    """The import names of the packages that an extra requires directly."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {one.partition(">=")[0].partition("[")[0] for one in project["optional-dependencies"][extra]}


BLOCKED = tuple(sorted(names("workload") - names("controller") - {"pillow"} | {"numpy", "pyarrow"}))


def checked(*steps: dict[str, Any]) -> tuple[list[str], int]:
    """The problems of a job in a process that has only the packages of the controller, and its memory in MiB."""
    job = json.dumps(datajob(steps=list(steps)))
    command = [sys.executable, "-c", _CHECK.format(blocked=BLOCKED)]
    done = subprocess.run(command, input=job, capture_output=True, text=True, check=True, cwd=ROOT)
    problems, memory = json.loads(done.stdout)
    return problems, memory


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"filter": {"where": "length(text) >> > 20"}}, "is not a valid SQL expression"),
        ({"filter": {"where": "random() > 0.5"}}, "calls `random`"),
        ({"compute": {"columns": {"x": "regexp_matches(text, '(')"}}}, "invalid regular expression"),
        ({"regexReplace": {"pattern": "(?=a)"}}, "is not a valid RE2 regular expression"),
        ({"map": {"function": "no-module"}}, "function"),
    ],
)
def test_errors_in_steps_are_found_before_pods_start(step: dict[str, Any], message: str) -> None:
    problems, _ = checked({"limit": {"count": 5}}, step)
    (problem,) = problems
    assert problem.startswith(f"spec.steps[1].{next(iter(step))}")
    assert message in problem
    assert "/etc/" not in problem


def test_valid_steps_have_no_problems() -> None:
    steps: list[dict[str, Any]] = [
        {"filter": {"where": "length(text) > 20 AND regexp_matches(text, '^a+')"}},
        {"compute": {"columns": {"n": "length(text)"}}},
        {"regexReplace": {"pattern": "a+", "replacement": "\\\\0"}},
        {"map": {"function": "own_module:own_function"}},
    ]
    assert checked(*steps)[0] == []


def repeated(opening: str, middle: str = "", closing: str = "") -> str:
    """The longest expression of this form."""
    return opening * (times := (LIMIT - len(middle)) // len(opening + closing)) + middle + closing * times


@pytest.mark.parametrize(
    "where",
    [
        repeated("(", "1", ")"),
        repeated("not ", "a"),
        repeated("a+", "a"),
        repeated("a and ", "a"),
        repeated("case when a then ", "1", " end"),
        repeated("lower(", "a", ")"),
        repeated("[", "", "]"),
        "1" + repeated("::int"),
        "a" + repeated("[1]"),
        "not " * 700 + "true",
    ],
    ids=lambda where: where[:20],
)
def test_no_expression_exhausts_the_memory_of_the_controller(where: str) -> None:
    problems, memory = checked({"filter": {"where": where[:LIMIT]}})
    assert memory < MEGABYTES
    assert all(len(problem) < 2000 for problem in problems)


def test_a_longer_expression_is_refused() -> None:
    ((problem,), _) = checked({"filter": {"where": "a = '" + "x" * LIMIT + "'"}})
    assert problem.startswith("spec.steps[0].filter.where: must have at most 16384 characters")
