"""The page about obstacles has a row for each obstacle that a test plants, and for each reason with which an attempt ends."""

import ast
import re
from collections.abc import Iterator

import pytest

from datajob.api.contract import FINAL_ERRORS, TEMPORARY_ERRORS
from tests.control_plane.test_obstacles import OBSTACLES as OF_CONTROL_PLANE
from tests.e2e.test_obstacles import OBSTACLES as OF_NODE
from tests.support.obstacles import Obstacle
from tests.support.pages import ROOT, read

ROWS = [line.strip("| ").split(" | ") for line in read("docs/obstacles.md").splitlines() if line.startswith("| ")]
CONTROLLER = ROOT / "controller" / "datajob_controller"
STATES_REASON = {"Failure", "Problem", "permanent", "capacity", "temporary"}


def reasons() -> Iterator[str]:
    """The reasons in the code of the controller: first arguments, and the states of containers."""
    for path in (*CONTROLLER.glob("*/policy/*.py"), CONTROLLER / "datajob" / "decide.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name in STATES_REASON:
                    yield str(node.args[0].value)


REASONS = {*reasons(), *FINAL_ERRORS.values(), *TEMPORARY_ERRORS.values(), "InvalidImageName", "CreateContainerConfigError"}


@pytest.mark.parametrize("obstacle", [*OF_CONTROL_PLANE, *OF_NODE], ids=lambda one: one.name)
def test_an_obstacle_of_a_test_is_a_row_with_its_reason(obstacle: Obstacle) -> None:
    (row,) = [row for row in ROWS if row[0] == obstacle.name]
    assert f"`{obstacle.reason}`" in row[1]
    assert not obstacle.phase or f"`{obstacle.phase}`" in row[1]
    assert all(row)


def test_a_row_about_an_obstacle_has_a_test() -> None:
    named = {row[0] for row in ROWS if len(row) == 5 and row[0] != "Obstacle"}
    assert named == {one.name for one in (*OF_CONTROL_PLANE, *OF_NODE)}


def test_the_reasons_of_the_code_are_found() -> None:
    assert {"PodsRefused", "HeadLost", "StartTimeout", "ImagePullFailed", "Unschedulable"} <= REASONS


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_has_a_row(reason: str) -> None:
    stated = {name for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    assert reason in stated
