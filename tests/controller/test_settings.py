"""Settings are read from the environment, and invalid ones are rejected."""

import os
import subprocess
import sys

import pytest

from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.settings import FromEnvironment, InvalidSettingsError, Settings, refuse_unknown


@pytest.mark.parametrize(
    ("model", "env", "field", "value"),
    [
        (Settings, {}, "namespaces", ()),
        (Settings, {"DATAJOB_NAMESPACES": ""}, "namespaces", ()),
        (Settings, {"DATAJOB_NAMESPACES": "team-a, team-b"}, "namespaces", ("team-a", "team-b")),
        (Settings, {"DATAJOB_NAMESPACES": '["team-a", "team-b"]'}, "namespaces", ("team-a", "team-b")),
        (JobSettings, {"DATAJOB_RUN_AS_USER": "2000"}, "run_as_user", 2000),
        (JobSettings, {"DATAJOB_RUN_AS_USER": ""}, "run_as_user", None),
        (Settings, {"DATAJOB_NAMESPACE_SELECTOR": "team in (a, b)"}, "namespace_selector", "team in (a, b)"),
        (JobSettings, {"DATAJOB_NETWORK_POLICY": "false"}, "network_policy", False),
        (JobSettings, {"DATAJOB_KUBERAY_LABELS": '{"app": "ray"}'}, "kuberay_labels", {"app": "ray"}),
        (JobSettings, {"DATAJOB_IMAGE_CPU": "registry/x:1", "PATH": "/bin"}, "image_cpu", "registry/x:1"),
    ],
)
def test_a_variable_sets_a_field(model: type[FromEnvironment], env: dict[str, str], field: str, value: object) -> None:
    assert getattr(model.from_env(env), field) == value


@pytest.mark.parametrize(
    ("model", "env", "named"),
    [
        (Settings, {"DATAJOB_HTTP_PORT": "99999"}, "DATAJOB_HTTP_PORT: "),
        (Settings, {"DATAJOB_HTTP_PORT": ""}, "DATAJOB_HTTP_PORT: "),
        (Settings, {"DATAJOB_NAMESPACES": "a", "DATAJOB_NAMESPACE_SELECTOR": "b"}, "not both"),
        (JobSettings, {"DATAJOB_SUBMISSION_MODE": "Pigeon"}, "DATAJOB_SUBMISSION_MODE: "),
        (JobSettings, {"DATAJOB_GPU": '{"resource": "x"}'}, "DATAJOB_GPU.product_label: "),
        (JobSettings, {"DATAJOB_GPU": '{"resource": "x"'}, "DATAJOB_GPU must be valid JSON: "),
        (JobSettings, {"DATAJOB_RUN_AS_USER": "0"}, "DATAJOB_RUN_AS_USER: "),
        (JobSettings, {"DATAJOB_RUN_AS_USER": "null"}, "DATAJOB_RUN_AS_USER: "),
    ],
)
def test_an_invalid_value_is_rejected_with_the_name_of_its_variable(
    model: type[FromEnvironment], env: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidSettingsError) as refused:
        model.from_env(env)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("DATAJOB_KUBERAY_LABLES", "did you mean DATAJOB_KUBERAY_LABELS?"),
        ("DATAJOB_NAMESPACE", "did you mean DATAJOB_NAMESPACES?"),
        ("DATAJOB_X", "DATAJOB_X is not a setting of the controller."),
    ],
)
def test_an_unknown_variable_is_refused(name: str, hint: str) -> None:
    with pytest.raises(InvalidSettingsError) as refused:
        refuse_unknown({name: "1", "DATAJOB_LOG_LEVEL": "INFO", "PATH": "/bin"}, (Settings, JobSettings))
    assert hint in str(refused.value)


def test_the_process_ends_with_one_line_about_a_mistyped_setting() -> None:
    command = [sys.executable, "-m", "datajob_controller"]
    done = subprocess.run(command, env={**os.environ, "DATAJOB_LOG_LEVL": "INFO"}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1
    assert done.stderr == "error: DATAJOB_LOG_LEVL is not a setting of the controller; did you mean DATAJOB_LOG_LEVEL?\n"


def test_the_settings_of_the_process_and_of_its_kinds_share_no_variable() -> None:
    assert not Settings.model_fields.keys() & JobSettings.model_fields.keys()
