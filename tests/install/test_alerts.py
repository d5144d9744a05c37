"""Every alert fires and stops, as `promtool test rules` evaluates it, with two replicas and across a change of the leader."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from datajob_controller.datajob.monitoring.alerts import ALERTS as JOB_ALERTS
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.modelservice.monitoring.alerts import ALERTS as SERVICE_ALERTS
from datajob_controller.shared.monitoring.files import FOLDER
from hack.cluster import packages

A, B = ('instance="a",pod="a",namespace="datajob-system"', 'instance="b",pod="b",namespace="datajob-system"')
"""The target labels of two replicas."""
JOB = 'namespace="team",name="clean"'
MINUTES = 300
ALERTS = (*JOB_ALERTS, *SERVICE_ALERTS)
RULES = ("rules.yaml", "modelservices-rules.yaml")
Series = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def promtool() -> None:
    """promtool from Debian."""
    try:
        packages.ensure({"promtool": "prometheus"})
    except packages.MissingPackages as missing:
        pytest.skip(str(missing))


def leads(who: str, values: str = f"1+0x{MINUTES}") -> Series:
    return {f"datajob_leader{{{who}}}": values}


def stands_by(who: str, values: str = f"0+0x{MINUTES}") -> Series:
    return {f"datajob_leader{{{who}}}": values}


def beats(who: str, values: str = f"0+60x{MINUTES}") -> Series:
    """The time of the last heartbeat, which follows the clock of the test unless it is stuck."""
    return {f"datajob_last_heartbeat_timestamp_seconds{{{who}}}": values}


def phase(name: str, values: str, reason: str = "Any", who: str = A) -> Series:
    """The phase of a job, scraped from the leader."""
    target = who.replace('namespace="datajob-system"', JOB)
    return {f'datajob_phase{{{target},phase="{name}",reason="{reason}"}}': values}


def of_job(metric: str, values: str, labels: str = "", who: str = A) -> Series:
    target = who.replace('namespace="datajob-system"', JOB)
    return {f"datajob_{metric}{{{target}{labels}}}": values}


def requests(status: str, values: str) -> Series:
    """Requests to a service, scraped from a replica."""
    labels = f'{JOB},pod="clean-abcde-worker",operation="chat.completions",key="k",status="{status}"'
    return {f"datajob_service_requests_total{{{labels}}}": values}


def revision(pod: str, commit: str, values: str) -> Series:
    """The commit that a replica has loaded."""
    return {f'datajob_service_model_revision{{{JOB},pod="{pod}",revision="{commit}"}}': values}


HEALTHY = leads(A) | stands_by(B) | beats(A) | beats(B)
DONE = ',state="done"'
TWO = f"x{MINUTES}"

CASES: dict[str, tuple[str, Series, dict[int, bool]]] = {
    # alert, series, {minute: whether it fires}
    "no replica is scraped": ("DataJobControllerDown", {}, {4: False, 6: True, 60: True}),
    "no replica leads": ("DataJobControllerDown", stands_by(A) | stands_by(B), {4: False, 6: True}),
    "a leader returns": ("DataJobControllerDown", stands_by(A) | leads(B, "0x20 1x200"), {10: True, 30: False}),
    "the leader changes": ("DataJobControllerDown", leads(A, "1x20 0x200") | leads(B, "0x20 1x200"), {19: False, 30: False}),
    "one of two releases has no leader": (
        "DataJobControllerDown",
        leads(A) | stands_by('instance="c",pod="c",namespace="second-system"'),
        {6: True},
    ),
    "the leader is stuck and the standby is not": (
        "DataJobControllerStuck",
        leads(A) | stands_by(B) | beats(A, f"0+60x10 600+0{TWO}") | beats(B),
        {10: False, 14: True, 60: True},
    ),
    "a restart ends the fault": (
        "DataJobControllerStuck",
        leads(A, "1x15 0x200") | leads(B, "0x15 1x200") | beats(A, "0+60x10 600+0x5 960+60x200") | beats(B),
        {10: False, 14: True, 20: True, 40: False},
    ),
    "the standby is stuck": ("DataJobControllerStuck", leads(A) | stands_by(B) | beats(A) | beats(B, f"0+0{TWO}"), {60: False}),
    "one DataJob cannot be reconciled": (
        "DataJobReconcileErrors",
        {f"datajob_reconcile_failing{{{A}}}": "1x40 0x200", f"datajob_reconcile_failing{{{B}}}": f"0{TWO}"},
        {10: False, 20: True, 45: False},
    ),
    "kuberay is missing": (
        "DataJobKubeRayMissing",
        leads(A)
        | stands_by(B)
        | {f"datajob_kuberay_installed{{{A}}}": "0x30 1x200", f"datajob_kuberay_installed{{{B}}}": f"0{TWO}"},
        {5: False, 15: True, 35: False},
    ),
    "kuberay is installed and the standby does not know": (
        "DataJobKubeRayMissing",
        leads(A)
        | stands_by(B)
        | {f"datajob_kuberay_installed{{{A}}}": f"1{TWO}", f"datajob_kuberay_installed{{{B}}}": f"0{TWO}"},
        {60: False},
    ),
    "a namespace loses its RoleBinding": (
        "DataJobNamespaceNotWatched",
        {
            'datajob_namespace_watched{namespace="team"}': "1x10 0x30 1x200",
            'datajob_namespace_watched{namespace="ok"}': f"1{TWO}",
        },
        {10: False, 15: False, 30: True, 45: False},
    ),
    "a job fails": (
        "DataJobFailed",
        phase("Running", "1x10 _x300") | phase("Failed", "_x10 1x290") | of_job("finished_timestamp_seconds", "_x10 660+0x290"),
        {9: False, 12: True, 65: True, 75: False, 290: False},
    ),
    "a failed job is edited and runs again": (
        "DataJobFailed",
        phase("Failed", "1x10 _x300") | phase("Running", "_x10 1x290") | of_job("finished_timestamp_seconds", "0+0x10 _x290"),
        {5: True, 20: False},
    ),
    "a job is complete": (
        "DataJobFailed",
        phase("Complete", f"1{TWO}") | of_job("finished_timestamp_seconds", f"0+0{TWO}"),
        {5: False},
    ),
    "a spec is invalid": (
        "DataJobStalled",
        of_job("stalled", "1x30 _x200", ',reason="InvalidSpec"'),
        {1: False, 3: True, 15: True, 45: False},
    ),
    "an obstacle is reported before the job fails because of it": (
        "DataJobStalled",
        of_job("stalled", "1x5 _x200", ',reason="NameTaken"'),
        {1: False, 3: True, 4: True, 30: False},
    ),
    "a job cannot start for changing reasons": (
        "DataJobStarting",
        phase("Starting", "1x20 _x200", "ClusterStarting") | phase("Starting", "_x20 1x60 _x200", "Unschedulable"),
        {25: False, 40: True, 95: False},
    ),
    "a job starts in time": ("DataJobStarting", phase("Starting", "1x20 _x200") | phase("Running", "_x20 1x200"), {60: False}),
    "a running job hangs at zero": (
        "DataJobNoProgress",
        phase("Running", f"1{TWO}") | of_job("shards", f"0+0{TWO}", DONE),
        {30: False, 50: True, 200: True},
    ),
    "a running job hangs at half and continues": (
        "DataJobNoProgress",
        phase("Running", f"1{TWO}") | of_job("shards", "0+1x20 20+0x100 21+1x150", DONE),
        {60: False, 100: True, 130: False},
    ),
    "a hanging job is suspended": (
        "DataJobNoProgress",
        phase("Running", "1x60 _x200") | phase("Suspended", "_x60 1x200") | of_job("shards", f"5+0{TWO}", DONE),
        {50: True, 70: False, 200: False},
    ),
    "a hanging job fails": (
        "DataJobNoProgress",
        phase("Running", "1x60 _x200") | phase("Failed", "_x60 1x200") | of_job("shards", f"5+0{TWO}", DONE),
        {50: True, 70: False, 200: False},
    ),
    "a slow job commits a shard every ten minutes": (
        "DataJobNoProgress",
        phase("Running", f"1{TWO}") | of_job("shards", " ".join(f"{shard}x9" for shard in range(30)), DONE),
        {60: False, 200: False},
    ),
    "the leader changes while a job hangs": (
        "DataJobNoProgress",
        phase("Running", "1x30 _x200")
        | phase("Running", "_x30 1x200", who=B)
        | of_job("shards", "5+0x30 _x200", DONE)
        | of_job("shards", "_x30 5+0x200", DONE, who=B),
        {20: False, 60: True},
    ),
    "a model cannot be loaded": (
        "ModelServiceStalled",
        of_job("modelservice_condition", "1x60 _x200", ',condition="Stalled",reason="ModelFailed"'),
        {3: False, 7: True, 50: True, 100: False},
    ),
    "a service without replicas": (
        "ModelServiceUnavailable",
        of_job("modelservice_replicas", f"2{TWO}") | of_job("modelservice_ready_replicas", "0x60 2x200"),
        {10: False, 20: True, 100: False},
    ),
    "requests to a service fail": (
        "ModelServiceErrors",
        requests("200", f"0+90{TWO}") | requests("503", "0+10x60 600+0x240"),
        {5: False, 20: True, 60: True, 100: False},
    ),
    "few requests to a service fail": (
        "ModelServiceErrors",
        requests("200", f"0+990{TWO}") | requests("500", f"0+10{TWO}"),
        {60: False, 200: False},
    ),
    "a service rejects requests": (
        "ModelServiceOverloaded",
        requests("200", f"0+80{TWO}") | requests("429", "0+20x60 1200+0x240"),
        {10: False, 30: True, 60: True, 100: False},
    ),
    "replicas load different commits": (
        "ModelServiceRevisionsDiffer",
        revision("a", "1", f"1{TWO}") | revision("b", "1", "1x60 _x200") | revision("b", "2", "_x60 1x60 _x200"),
        {50: False, 80: False, 100: True, 150: False},
    ),
    "a service at zero replicas": (
        "ModelServiceUnavailable",
        of_job("modelservice_replicas", f"0{TWO}") | of_job("modelservice_ready_replicas", f"0{TWO}"),
        {60: False, 200: False},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_when_it_should_and_stops(case: str, tmp_path: Path) -> None:
    name, series, expected = CASES[case]
    quiet = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []} for minute, fires in expected.items() if not fires
    ]
    loud = [
        {
            "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for minute, fires in expected.items()
        if fires
    ]
    done = promtool_test(series, quiet, loud, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def promtool_test(
    series: Series, alerts: list[dict[str, Any]], expressions: list[dict[str, Any]], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run promtool on the rules of the project."""
    write_rules(folder)
    inputs = [{"series": one, "values": values} for one, values in series.items()]
    test = {"interval": "1m", "input_series": inputs, "alert_rule_test": alerts, "promql_expr_test": expressions}
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": list(RULES), "evaluation_interval": "1m", "tests": [test]}))
    return subprocess.run(["promtool", "test", "rules", str(folder / "test.yaml")], capture_output=True, text=True, timeout=240)


def test_a_stalled_job_is_reported_before_it_fails() -> None:
    stalled = next(alert for alert in ALERTS if alert.name == "DataJobStalled")
    assert 60 * stalled.minutes < JobSettings().obstacle_seconds


def test_every_alert_has_a_case_that_fires_and_one_that_stops() -> None:
    fires = {name for name, _, expected in CASES.values() if True in expected.values()}
    stops = {name for name, _, expected in CASES.values() if [*expected.values()][-1] is False and True in expected.values()}
    names = {alert.name for alert in ALERTS}
    assert fires == names
    assert stops == names


def test_a_healthy_controller_with_jobs_in_every_phase_fires_nothing(tmp_path: Path) -> None:
    jobs = {
        f'datajob_phase{{instance="a",pod="a",namespace="team",name="{one}",phase="{one}",reason="Any"}}': f"1{TWO}"
        for one in ("Pending", "Running", "Suspended", "Complete")
    }
    moving = {'datajob_shards{instance="a",pod="a",namespace="team",name="Running",state="done"}': f"0+1{TWO}"}
    installed = {f"datajob_kuberay_installed{{{A}}}": f"1{TWO}", f"datajob_kuberay_installed{{{B}}}": f"0{TWO}"}
    quiet = [
        {"eval_time": f"{minute}m", "alertname": alert.name, "exp_alerts": []} for alert in ALERTS for minute in (5, 60, 290)
    ]
    done = promtool_test(HEALTHY | jobs | moving | installed, quiet, [], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def write_rules(folder: Path) -> None:
    """The rules of the project, without the objects of the Prometheus operator around them."""
    for name in RULES:
        (folder / name).write_text(yaml.safe_dump(yaml.safe_load((FOLDER / name).read_text())["spec"]))


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    write_rules(tmp_path)
    checked = subprocess.run(["promtool", "check", "rules", *RULES], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_runbook() -> None:
    for alert in ALERTS:
        runbook = (FOLDER.parents[1] / "docs" / "runbooks" / alert.page).read_text()
        assert f"\n## {alert.name}\n" in runbook
