"""All replicas load one commit of the model, to which a branch refers when the application is built."""

from __future__ import annotations

import pytest

from datajob.api.service.spec import ModelServiceSpec
from datajob.serving.pinning import pinned
from tests.support.hub import Hub, hub

__all__ = ["hub"]

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def spec(model: str, **block: str) -> ModelServiceSpec:
    """A service with a model."""
    return ModelServiceSpec.model_validate(
        {"model": {"textGeneration": {"model": model, "device": "cpu", **block}}, "auth": {"anonymous": True}}
    )


def test_a_branch_becomes_the_commit_that_it_refers_to(hub: Hub) -> None:
    hub.add("org/model", {"config.json": "{}"})
    (first,) = (one.sha for one in hub.repositories["org/model"].branches["main"])
    for given in (spec("org/model"), spec("org/model", revision="main")):
        found = pinned(given)
        assert found.model.chosen.revision == first
        assert found.model_dump(exclude_unset=True)["model"]["textGeneration"]["revision"] == first
    second = hub.repositories["org/model"].commit({"config.json": b"[]"}).sha
    assert pinned(spec("org/model")).model.chosen.revision == second != first


def test_what_refers_to_one_commit_already_is_not_looked_up(hub: Hub) -> None:
    for given in (spec("org/model", revision=COMMIT), spec("/models/local"), spec("50", engine="fake")):
        assert pinned(given) is given
    assert not hub.requests


def test_without_an_answer_of_the_hub_the_service_starts_with_a_warning(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    given = spec("org/missing")
    assert pinned(given) is given
    assert "Cannot resolve the revision of org/missing" in caplog.text
