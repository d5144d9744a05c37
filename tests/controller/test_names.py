"""Names respect the limits of KubeRay and never collide."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datajob.api.lifecycle import lifecycle_fields
from datajob.api.loading import parse_object
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import (
    MAX_RAYJOB,
    is_cluster_of,
    is_config_of,
    is_rayjob_of,
    job_config,
    public_run_id,
    rayjob,
    report_config,
    run_id,
    run_name,
    run_of_config,
    run_of_rayjob,
    slug,
)
from tests.support.world import datajob

DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
DNS_SUBDOMAIN = st.from_regex(r"\A[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")


def spec(**fields: object) -> DataJobSpec:
    job, problems = parse_object(datajob(**fields))
    assert job, problems
    return job.spec


@given(DNS_SUBDOMAIN, st.uuids(), st.integers(1, 99_999))
def test_every_name_gives_a_rayjob_name_that_kuberay_accepts(name: str, uid: object, attempt: int) -> None:
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


GOLDEN: list[tuple[dict[str, object], str, str]] = [
    ({}, "clean-web-44007b24", "u-1-83f7a271"),
    (
        {"queueName": "team-a", "resources": {"accelerator": {"type": "gpu", "perWorker": 2}}},
        "clean-web-245794cb",
        "u-1-83f7a271",
    ),
    (
        {"steps": [{"filter": {"where": "a > 1"}}, {"gopherQuality": {}}], "rejects": {"path": "s3://lake/rejects/"}},
        "clean-web-ac7d4151",
        "u-1-5e9536c0",
    ),
    (
        {
            "runtime": {"image": "registry/other:1", "env": [{"name": "A", "value": "é"}]},
            "errors": {"policy": "quarantine", "path": "s3://lake/q/"},
        },
        "clean-web-3dc77a6c",
        "u-1-b7bbce2b",
    ),
]
UNMARKED: dict[str, object] = {
    "sources": [{"json": {"paths": ["s3://lake/raw/"]}}],
    "steps": [{"filter": {"where": "a > 1"}}],
    "sink": {"parquet": {"path": "s3://lake/other/"}},
    "rejects": {"path": "s3://lake/rejects/"},
    "errors": {"policy": "drop"},
    "runtime": {"image": "registry/other:1"},
    "resources": {"workers": {"memory": "64Gi"}},
    "queueName": "team-a",
    "restart": {"id": "2"},
}
MARKED: dict[str, object] = {
    "suspend": True,
    "retry": {"limit": 9},
    "deadlineSeconds": 5,
    "startDeadlineSeconds": 5,
    "ttlSecondsAfterFinished": 5,
}
NEW_ID = {"sources", "steps", "sink", "rejects", "errors", "restart", "runtime"}


def test_every_field_of_a_spec_is_tested_here() -> None:
    aliases = {name: str(field.alias) for name, field in DataJobSpec.model_fields.items()}
    assert {aliases[name] for name in lifecycle_fields(DataJobSpec)} == MARKED.keys()
    assert set(aliases.values()) == MARKED.keys() | UNMARKED.keys()


@pytest.mark.parametrize("field", MARKED)
def test_a_change_of_a_lifecycle_field_is_the_same_run(field: str) -> None:
    changed = spec(**{field: MARKED[field]})
    assert run_name("a", "u", changed) == run_name("a", "u", spec())
    assert run_id("u", changed) == run_id("u", spec())


@pytest.mark.parametrize("field", UNMARKED)
def test_a_change_of_any_other_field_is_another_run(field: str) -> None:
    changed = spec(**{field: UNMARKED[field]})
    assert run_name("a", "u", changed) != run_name("a", "u", spec())
    assert (run_id("u", changed) != run_id("u", spec())) is (field in NEW_ID)


def test_a_default_that_is_written_out_is_the_same_run() -> None:
    assert run_name("a", "u", spec(errors={"policy": "fail"})) == run_name("a", "u", spec())


def test_other_hardware_is_another_run_that_computes_the_same() -> None:
    bigger = spec(resources={"workers": {"memory": "64Gi"}})
    assert run_name("a", "u", bigger) != run_name("a", "u", spec())
    assert run_id("u", bigger) == run_id("u", spec())


@pytest.mark.parametrize(("change", "name", "identity"), GOLDEN)
def test_names_and_identities_never_change_between_releases(change: dict[str, object], name: str, identity: str) -> None:
    made = spec(**change)
    assert (run_name("clean-web", "u-1", made), run_id("u-1", made)) == (name, identity)


@given(DNS_SUBDOMAIN, st.uuids(), st.integers(1, 99_999))
def test_the_run_of_an_object_is_recovered_from_its_name(name: str, uid: object, attempt: int) -> None:
    run = run_name(name, str(uid), SPEC)
    assert run_of_rayjob(rayjob(run, attempt)) == run
    assert run_of_config(job_config(run)) == run_of_config(report_config(run)) == run
    assert run_of_config(f"{run}-other") is None


def test_readers_of_the_data_do_not_learn_the_uid() -> None:
    identity = run_id("6f1c2a34-0000-4000-8000-000000000001", spec())
    assert re.fullmatch(r"[0-9a-f]{32}", public_run_id(identity))
    assert public_run_id(identity) == public_run_id(identity) != public_run_id(run_id("other", spec()))
    assert "6f1c2a34" not in public_run_id(identity)


@given(DNS_SUBDOMAIN, DNS_SUBDOMAIN, st.uuids(), st.integers(1, 99_999))
def test_names_of_objects_are_recognized(name: str, other: str, uid: object, attempt: int) -> None:
    run = run_name(name, str(uid), SPEC)
    own = rayjob(run, attempt)
    assert is_rayjob_of(name, own) and is_cluster_of(name, f"{own}-x7k2p")
    assert is_config_of(name, job_config(run)) and is_config_of(name, report_config(run))
    if slug(other) != slug(name):
        assert not is_rayjob_of(other, own) and not is_cluster_of(other, f"{own}-x7k2p")
        assert not is_config_of(other, job_config(run))


SPEC = spec()
