"""The workload reads in its pod what the controller puts there, and nothing else."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import pytest
import yaml

import datajob as datajob_package
import datajob_controller
from datajob import errors
from datajob.api.contract import (
    ENTRYPOINT,
    ENV_EXECUTOR,
    ENV_IMAGE,
    ENV_POD,
    FINAL_ERRORS,
    JOB_PATH,
    REPORT_KEY,
    SET_BY_CONTROLLER,
    SET_BY_KUBERAY,
    SET_BY_USER,
)
from datajob.api.loading import read_text
from datajob.cluster.report_configmap import ConfigMapAddress
from datajob.cluster.run import may_show_rows, run_options
from datajob_controller.datajob.decide import decide
from datajob_controller.datajob.names import public_job_id, public_run_id
from datajob_controller.datajob.run import current_run
from datajob_controller.runtime.types import Observed
from tests.support.world import NOW, SETTINGS, UID, World, datajob

API_SERVER = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class Recorder(Mapping[str, str]):
    """An environment that records which variables are asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def created(**spec: Any) -> dict[str, list[dict[str, Any]]]:
    """The objects of a new job by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in decide(datajob(**spec), Observed(), NOW, SETTINGS).create:
        found.setdefault(one["kind"], []).append(one)
    return found


def templates(**spec: Any) -> list[dict[str, Any]]:
    """The pod specs of a new job: head and worker groups."""
    cluster = created(**spec)["RayJob"][0]["spec"]["rayClusterSpec"]
    return [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def environment(pod: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}


def test_the_workload_reads_exactly_the_variables_of_the_contract() -> None:
    for pod in templates(resources={"accelerator": {"type": "gpu"}}):
        given = {name for name in environment(pod) if name.startswith("DATAJOB_")}
        assert given == SET_BY_CONTROLLER
    recorder = Recorder(environment(templates()[0]) | API_SERVER)
    run_options(JOB_PATH, recorder, print)
    assert not may_show_rows(recorder)
    ConfigMapAddress.from_environment(recorder)
    read = {name for name in recorder.read if name.startswith("DATAJOB_")}
    assert read == SET_BY_CONTROLLER | SET_BY_USER


def test_only_the_contract_names_the_variables() -> None:
    variable = re.compile(r"DATAJOB_[A-Z_]*[A-Z]")
    named = {
        path.name: found
        for package in (datajob_package, datajob_controller)
        for path in Path(package.__path__[0]).rglob("*.py")
        if (found := {one.value for one in ast.walk(ast.parse(path.read_text())) if is_name(one, variable)})
    }
    elsewhere = {
        "jit.py": {"DATAJOB_KERNEL_CACHE", "DATAJOB_KERNEL_PROCESSOR"},  # of the build of the images
        "vllm_process.py": {"DATAJOB_VLLM_SERVER", "DATAJOB_VLLM_FAILURE"},  # between the processes of one server
    }
    assert named == {"contract.py": SET_BY_CONTROLLER | SET_BY_USER | {ENV_POD}, **elsewhere}


def is_name(node: ast.AST, pattern: re.Pattern[str]) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(pattern.fullmatch(node.value))


def test_the_options_of_a_run_are_those_of_its_pod() -> None:
    world = World(datajob())
    world.settle()
    options = run_options(JOB_PATH, environment(templates()[0]), print)
    assert (options.run_id, options.attempt, options.executor) == (public_run_id(world.status["runId"]), 1, "auto")
    assert options.job_id == public_job_id(UID)
    chosen = run_options(JOB_PATH, {ENV_EXECUTOR: "ray", ENV_IMAGE: "registry/x:1", "RAY_ADDRESS": "10.0.0.2:6379"}, print)
    assert (chosen.executor, chosen.image, chosen.ray_address) == ("ray", "registry/x:1", "10.0.0.2:6379")


@pytest.mark.parametrize("name", sorted(SET_BY_CONTROLLER | SET_BY_KUBERAY | {ENV_POD, "DATAJOB_ANYTHING"}))
def test_a_job_that_sets_a_variable_of_the_controller_or_of_kuberay_is_invalid(name: str) -> None:
    variables = [{"name": "MINE", "value": "1"}, {"name": name, "value": "forged"}]
    run, problems = current_run(datajob(runtime={"env": variables}))
    assert run is None
    assert [problem for problem in problems if f"spec.runtime.env[1].name: the variable `{name}`" in problem]


def test_a_job_can_set_its_own_variables_and_home() -> None:
    variables = [{"name": name, "value": "mine"} for name in sorted(SET_BY_USER | {"HOME", "RAY_DATA_VERBOSE_PROGRESS"})]
    for pod in templates(runtime={"env": variables}):
        assert {one["name"]: one["value"] for one in variables}.items() <= environment(pod).items()


def test_the_report_goes_to_the_configmap_that_the_job_may_patch() -> None:
    objects = created()
    address = ConfigMapAddress.from_environment(environment(templates()[0]) | API_SERVER)
    assert address
    names = [one["metadata"]["name"] for one in objects["ConfigMap"]]
    (rule,) = objects["Role"][0]["rules"]
    (report,) = rule["resourceNames"]
    assert report in names
    assert address.url == f"https://10.0.0.1:443/api/v1/namespaces/team-a/configmaps/{report}"
    assert REPORT_KEY not in objects["ConfigMap"][1]["data"]


def test_the_entrypoint_finds_the_job_that_is_mounted() -> None:
    objects = created()
    assert objects["RayJob"][0]["spec"]["entrypoint"] == ENTRYPOINT
    for pod in templates():
        (volume,) = [one for one in pod["volumes"] if "configMap" in one]
        (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
        (config,) = [one for one in objects["ConfigMap"] if one["metadata"]["name"] == volume["configMap"]["name"]]
        ((key, text),) = config["data"].items()
        assert f"{mount['mountPath']}/{key}" == JOB_PATH
        assert ENTRYPOINT.split()[-1] == JOB_PATH
        assert yaml.safe_load(text)["spec"] == datajob()["spec"]
        (document,) = read_text(text)
        assert document.job and not document.errors


@pytest.mark.parametrize(
    "error", [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.DataJobError)]
)
def test_every_error_has_a_class_of_exit_code(error: type[errors.DataJobError]) -> None:
    submitting = (errors.ClusterUnavailable, errors.NotComplete)  # a driver never ends with these
    retried = (errors.StorageUnavailable, errors.SinkBusy, errors.EndpointUnavailable)
    if error in (errors.DataJobError, *retried, *submitting):
        assert error.exit_code not in FINAL_ERRORS
    else:
        assert FINAL_ERRORS[error.exit_code] == error.__name__
