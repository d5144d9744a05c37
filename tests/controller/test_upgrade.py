"""Objects that an earlier version stored are valid and keep their state under the current controller."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob_controller.datajob.decide import decide
from datajob_controller.runtime.manifests import parse_time
from datajob_controller.runtime.types import Observed
from tests.support.world import SETTINGS

HOUSE = Path(__file__).parents[1] / "fixtures" / "upgrade" / "house"
PHASES = ("pending", "starting", "running", "retrying", "suspended", "complete", "failed")


def stored(phase: str) -> tuple[dict[str, Any], Observed]:
    datajob, *owned = yaml.safe_load_all((HOUSE / f"{phase}.yaml").read_text())
    by_kind: dict[str, dict[str, Any]] = {}
    for one in owned:
        by_kind.setdefault(one["kind"], {})[one["metadata"]["name"]] = one
    return datajob, Observed(by_kind)


@pytest.mark.parametrize("phase", PHASES)
def test_an_upgrade_changes_nothing(phase: str) -> None:
    datajob, observed = stored(phase)
    assert datajob["status"]["phase"].lower() == phase
    changed = max(filter(None, (parse_time(c["lastTransitionTime"]) for c in datajob["status"]["conditions"])))
    decision = decide(datajob, observed, changed + timedelta(seconds=1), SETTINGS)
    assert not (decision.create or decision.delete or decision.events)
    if decision.status:  # a release may add to a status
        _is_kept(datajob["status"], decision.status)


def _is_kept(before: dict[str, Any], after: dict[str, Any]) -> None:
    invalid = before["phase"] == "Pending"
    assert after["phase"] == ("Invalid" if invalid else before["phase"])
    names = before.keys() - {"conditions", "phase"}
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
    kept = {condition["type"]: condition for condition in after["conditions"]}
    assert [kept[condition["type"]] for condition in before["conditions"]] == before["conditions"]
    assert kept["Finished"]["status"] == ("True" if invalid or before["phase"] in ("Complete", "Failed") else "False")
