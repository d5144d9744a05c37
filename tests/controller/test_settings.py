"""Settings come from the environment, and wrong ones are refused."""

import pytest
from pydantic import ValidationError

from datajob_controller.runtime.settings import Settings


@pytest.mark.parametrize(
    ("env", "field", "value"),
    [
        ({}, "namespaces", ()),
        ({"DATAJOB_NAMESPACES": ""}, "namespaces", ()),
        ({"DATAJOB_NAMESPACES": "team-a, team-b"}, "namespaces", ("team-a", "team-b")),
        ({"DATAJOB_RUN_AS_USER": "2000"}, "run_as_user", 2000),
        ({"DATAJOB_NETWORK_POLICY": "false"}, "network_policy", False),
        ({"DATAJOB_KUBERAY_LABELS": '{"app": "ray"}'}, "kuberay_labels", {"app": "ray"}),
        ({"DATAJOB_IMAGE_CPU": "registry/x:1", "PATH": "/bin"}, "image_cpu", "registry/x:1"),
    ],
)
def test_a_variable_sets_a_field(env: dict[str, str], field: str, value: object) -> None:
    assert getattr(Settings.from_env(env), field) == value


@pytest.mark.parametrize(
    "env", [{"DATAJOB_HTTP_PORT": "99999"}, {"DATAJOB_SUBMISSION_MODE": "Pigeon"}, {"DATAJOB_GPU": '{"resource": "x"}'}]
)
def test_a_wrong_value_is_refused(env: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.from_env(env)
