"""Settings are read from the environment, and invalid ones are rejected."""

import pytest
from pydantic import ValidationError

from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.settings import FromEnvironment, Settings


@pytest.mark.parametrize(
    ("model", "env", "field", "value"),
    [
        (Settings, {}, "namespaces", ()),
        (Settings, {"DATAJOB_NAMESPACES": ""}, "namespaces", ()),
        (Settings, {"DATAJOB_NAMESPACES": "team-a, team-b"}, "namespaces", ("team-a", "team-b")),
        (JobSettings, {"DATAJOB_RUN_AS_USER": "2000"}, "run_as_user", 2000),
        (JobSettings, {"DATAJOB_NETWORK_POLICY": "false"}, "network_policy", False),
        (JobSettings, {"DATAJOB_KUBERAY_LABELS": '{"app": "ray"}'}, "kuberay_labels", {"app": "ray"}),
        (JobSettings, {"DATAJOB_IMAGE_CPU": "registry/x:1", "PATH": "/bin"}, "image_cpu", "registry/x:1"),
    ],
)
def test_a_variable_sets_a_field(model: type[FromEnvironment], env: dict[str, str], field: str, value: object) -> None:
    assert getattr(model.from_env(env), field) == value


@pytest.mark.parametrize(
    ("model", "env"),
    [
        (Settings, {"DATAJOB_HTTP_PORT": "99999"}),
        (JobSettings, {"DATAJOB_SUBMISSION_MODE": "Pigeon"}),
        (JobSettings, {"DATAJOB_GPU": '{"resource": "x"}'}),
    ],
)
def test_an_invalid_value_is_rejected(model: type[FromEnvironment], env: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        model.from_env(env)


def test_the_settings_of_the_process_and_of_its_kinds_share_no_variable() -> None:
    assert not Settings.model_fields.keys() & JobSettings.model_fields.keys()
