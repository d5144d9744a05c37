"""Names fit KubeRay's limits and never collide."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import MAX_RAYJOB, rayjob, run_id, run_name, slug
from datajob_controller.datajob.run import open_run
from tests.support.world import datajob

DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
DNS_SUBDOMAIN = st.from_regex(r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")


def spec(**fields: object) -> DataJobSpec:
    run, problems = open_run(datajob(**fields))
    assert run, problems
    return run.spec


@given(DNS_SUBDOMAIN, st.uuids(), st.integers(1, 99_999))
def test_every_name_gives_a_rayjob_that_kuberay_takes(name: str, uid: object, attempt: int) -> None:
    made = rayjob(run_name(name, str(uid), SPEC), attempt)
    assert len(made) <= MAX_RAYJOB
    assert DNS_1035.match(made)


@given(DNS_SUBDOMAIN, DNS_SUBDOMAIN, st.uuids(), st.uuids())
def test_two_datajobs_never_share_a_name(one: str, other: str, uid: object, other_uid: object) -> None:
    if uid != other_uid:
        assert run_name(one, str(uid), SPEC) != run_name(other, str(other_uid), SPEC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("clean-web", "clean-web"), ("1st", "j-1st"), ("a.b.c", "a-b-c"), ("x" * 60, "x" * 32), ("a" * 31 + "-b", "a" * 31)],
)
def test_a_name_becomes_a_label(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"suspend": True},
        {"retry": {"limit": 9}},
        {"deadlineSeconds": 5},
        {"ttlSecondsAfterFinished": 5},
        {"errors": {"policy": "fail"}},  # a default, written out
    ],
)
def test_a_change_of_policy_is_the_same_run(change: dict[str, object]) -> None:
    assert run_name("a", "u", spec(**change)) == run_name("a", "u", spec())
    assert run_id("u", spec(**change)) == run_id("u", spec())


def test_other_hardware_is_another_run_of_the_same_recipe() -> None:
    bigger = spec(resources={"workers": {"memory": "64Gi"}})
    assert run_name("a", "u", bigger) != run_name("a", "u", spec())
    assert run_id("u", bigger) == run_id("u", spec())


@pytest.mark.parametrize(
    "change", [{"sink": {"parquet": {"path": "s3://lake/other/"}}}, {"runtime": {"image": "registry/other:1"}}]
)
def test_another_recipe_or_image_is_another_run_with_another_id(change: dict[str, object]) -> None:
    assert run_name("a", "u", spec(**change)) != run_name("a", "u", spec())
    assert run_id("u", spec(**change)) != run_id("u", spec())


SPEC = spec()
