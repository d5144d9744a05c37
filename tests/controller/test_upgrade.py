"""Objects that an earlier version stored keep their state under the current controller, and under the earlier one again."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob.api.contract import ENV_RUN_ID
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.kind import datajob_kind
from datajob_controller.datajob.names import public_run_id
from datajob_controller.runtime.manifests import Manifest, parse_time, rfc3339
from datajob_controller.runtime.store import Store
from datajob_controller.runtime.types import Decision, Observed
from tests.support.earlier import python_path, unpacked
from tests.support.world import NOW, SETTINGS, World, datajob

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "tests" / "fixtures" / "upgrade" / "house"
PHASES = ("pending", "starting", "running", "retrying", "suspended", "complete", "failed")
DECIDE = """
import json, sys
from datetime import datetime
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.types import Observed
assert decide.__code__.co_filename.startswith(sys.argv[1]), decide.__code__.co_filename
answers = []
for owner, owned, now in json.load(sys.stdin):
    made = decide(owner, Observed(owned), datetime.fromisoformat(now), JobSettings())
    answers.append([made.create, made.delete, made.status, made.events])
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the earlier version."""
    return unpacked(tmp_path_factory.mktemp("earlier"))


def stored(phase: str) -> tuple[Manifest, Manifest, datetime]:
    """A DataJob, what the controller keeps of the objects that belong to it, and a time after its last transition."""
    owner, *owned = yaml.safe_load_all((HOUSE / f"{phase}.yaml").read_text())
    store = Store([datajob_kind(SETTINGS)])
    store.put(owner)
    for one in owned:
        if one["kind"] in ("RayJob", "ConfigMap"):
            store.put_owned(one)
    changed = max(filter(None, (parse_time(c["lastTransitionTime"]) for c in owner["status"]["conditions"])))
    return owner, store.owned(owner["metadata"]["uid"]), changed + timedelta(seconds=1)


def decide_earlier(earlier: Path, *cases: tuple[Manifest, Manifest, datetime]) -> list[list[Any]]:
    """What the earlier version decides in each case: objects to create and to delete, the status, Events."""
    done = subprocess.run(
        [sys.executable, "-c", DECIDE, str(earlier)],
        env={"PYTHONPATH": python_path(earlier)},
        input=json.dumps([(owner, owned, now.isoformat()) for owner, owned, now in cases]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def carried_out(owner: Manifest, decision: Decision) -> Manifest:
    return {**owner, "status": decision.status} if decision.status else owner


def upgraded(phase: str) -> tuple[Manifest, Manifest, datetime]:
    """The same, after the current controller has decided."""
    owner, owned, now = stored(phase)
    return carried_out(owner, decide(owner, Observed(owned), now, SETTINGS)), owned, now


def pruned_by_earlier_crd(status: Manifest) -> Manifest:
    schema = yaml.safe_load((HOUSE / "crd.yaml").read_text())["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    known = schema["properties"]["status"]["properties"]
    return {key: value for key, value in status.items() if key in known}


def assert_kept(before: Manifest, after: Manifest) -> None:
    """A release may add to a status."""
    invalid = before["phase"] == "Pending"
    assert after["phase"] == ("Invalid" if invalid else before["phase"])
    names = before.keys() - {"conditions", "phase"}
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
    kept = {condition["type"]: condition for condition in after["conditions"]}
    assert [kept[condition["type"]] for condition in before["conditions"]] == before["conditions"]
    assert kept["Finished"]["status"] == ("True" if invalid or before["phase"] in ("Complete", "Failed") else "False")


def assert_downgraded(before: Manifest, answer: list[Any]) -> None:
    """The earlier version removes what it does not know, and changes nothing else."""
    create, delete, status, events = answer
    assert not (create or delete or events)
    if status is None or before["phase"] == "Invalid":  # an invalid job has nothing to lose
        return
    assert conditions(status) == conditions(before)
    assert {**status, "conditions": ()} == {**before, "conditions": ()}


def conditions(status: Manifest) -> list[Manifest]:
    return [condition for condition in status["conditions"] if condition["type"] != "Finished"]


@pytest.mark.parametrize("phase", PHASES)
def test_an_upgrade_changes_nothing(phase: str) -> None:
    owner, owned, now = stored(phase)
    assert owner["status"]["phase"].lower() == phase
    decision = decide(owner, Observed(owned), now, SETTINGS)
    assert not (decision.create or decision.delete or decision.events)
    after = carried_out(owner, decision)
    assert_kept(owner["status"], after["status"])
    assert ("specDigests" in after["status"]) is (phase != "pending")
    again = decide(after, Observed(owned), now, SETTINGS)
    assert not (again.create or again.delete or again.status or again.events)


def test_a_downgrade_changes_nothing(earlier: Path) -> None:
    cases = [upgraded(phase) for phase in PHASES]
    for (owner, _, _), answer in zip(cases, decide_earlier(earlier, *cases), strict=True):
        assert_downgraded(owner["status"], answer)


def test_a_downgrade_with_the_earlier_crd_changes_nothing_in_either_direction(earlier: Path) -> None:
    cases = [upgraded(phase) for phase in PHASES]
    pruned = [({**owner, "status": pruned_by_earlier_crd(owner["status"])}, owned, now) for owner, owned, now in cases]
    for answer in decide_earlier(earlier, *pruned):
        assert answer[:2] == [[], []] and not answer[3]
    for before, (owner, owned, now) in zip(cases, pruned, strict=True):
        decision = decide(owner, Observed(owned), now, SETTINGS)
        assert carried_out(owner, decision) == before[0]
        assert not (decision.create or decision.delete or decision.events)


def test_a_job_that_the_current_controller_started_continues_under_the_earlier_one(earlier: Path) -> None:
    worlds = [World(datajob(retry={"limit": 1, "backoffSeconds": 3600})) for _ in range(4)]
    for world in worlds:
        world.settle()
    worlds[1].set_running()
    worlds[2].fails()
    worlds[3].succeeds()
    cases = [(world.job, dict(world.observed().owned), NOW) for world in worlds]
    for (owner, _, _), answer in zip(cases, decide_earlier(earlier, *cases), strict=True):
        assert_downgraded(owner["status"], answer)


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "pending"])
def test_defaults_that_the_earlier_crd_stored_are_not_an_edit(phase: str) -> None:
    owner, owned, now = upgraded(phase)
    # `kubectl apply` of the same file replaces lists, whose elements then have no defaults any more.
    owner["metadata"]["generation"] += 1
    owner["spec"]["steps"] = [
        {"gopherQuality": {"column": "text", "minStopWords": 0}},
        {"filter": {"where": "length(text) > 20"}},
        {"minhashDedup": {"column": "text", "threshold": 0.8}},
    ]
    decision = decide(owner, Observed(owned), now, SETTINGS)
    assert not (decision.create or decision.delete or decision.events)
    assert decision.status
    assert {**owner["status"], "specDigests": 0}.keys() == decision.status.keys()
    assert decision.status["rayJobName"] == owner["status"]["rayJobName"]


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "pending"])
def test_defaults_that_a_later_crd_would_add_are_not_an_edit(phase: str) -> None:
    owner, owned, now = upgraded(phase)
    owner["spec"]["resources"]["workers"]["memory"] = "16Gi"  # the generation stays the same
    owner["spec"]["sink"]["parquet"]["compression"] = "snappy"
    decision = decide(owner, Observed(owned), now, SETTINGS)
    assert not (decision.create or decision.delete or decision.events)


@pytest.mark.parametrize("phase", ["retrying", "suspended"])
def test_an_attempt_after_an_upgrade_reuses_the_shards_of_earlier_attempts(phase: str) -> None:
    owner, owned, now = upgraded(phase)
    if phase == "suspended":
        owner["spec"]["suspend"] = False
        owner["metadata"]["generation"] += 1
    decision = decide(owner, Observed(owned), now + timedelta(hours=2), SETTINGS)
    ray_job = decision.create[-1]
    assert (ray_job["kind"], ray_job["metadata"]["name"]) == ("RayJob", f"{owner['status']['rayJobName'][:-1]}2")
    head = ray_job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    passed = next(entry["value"] for entry in head["env"] if entry["name"] == ENV_RUN_ID)
    assert passed == owner["status"]["runId"]  # what the earlier version passed to the first attempt


def test_an_attempt_passes_the_identity_that_the_previous_attempt_received() -> None:
    owner, owned, now = stored("retrying")
    first = owned["RayJob"][owner["status"]["rayJobName"]]
    first["spec"]["runId"] = public_run_id(owner["status"]["runId"])  # as written after the first version of the fixtures
    decision = decide(owner, Observed(owned), now, SETTINGS)
    assert decision.status and decision.status["publicRunId"] == first["spec"]["runId"]


def test_a_status_that_was_restored_from_a_backup_starts_a_new_run() -> None:
    owner, _, now = upgraded("complete")
    owner["metadata"]["uid"] = "another"
    decision = decide(owner, Observed(), now, SETTINGS)
    assert decision.create[-1]["kind"] == "RayJob"
    assert decision.status and decision.status["started"] == rfc3339(now)
