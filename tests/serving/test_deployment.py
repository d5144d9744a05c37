"""The application on Ray Serve, and `datajob serve` with a model that cannot be loaded."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from datajob.serving.metrics import PREFIX, SERIES
from datajob_controller.datajob.monitoring.files import RENAMED
from hack.cluster.waiting import TooLate, wait_for
from tests.support.ports import free_port
from tests.support.serving import PATIENCE

SPEC = {"model": {"textGeneration": {"model": "50", "engine": "fake"}}, "auth": {"anonymous": True}}
USER = [{"role": "user", "content": "a b c"}]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port with Ray Serve, which ends with the tests."""
    import ray
    from ray import serve

    from datajob.engine.executors.ray_data import start_ray

    port = free_port()
    start_ray(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        yield port
        serve.shutdown()
    finally:
        ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
def test_the_official_client_is_answered_by_ray_serve(port: int) -> None:
    from openai import NotFoundError, OpenAI, RateLimitError
    from ray import serve

    from datajob.api.service.spec import ModelServiceSpec
    from datajob.serving.deployment import build, user_config

    spec = {**SPEC, "resources": {"workers": {"cpu": "1"}}}
    serve.run(build({"service": spec, "name": "test"}), name="test", route_prefix="/")
    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="-", max_retries=0, timeout=PATIENCE)
    whole = client.chat.completions.create(model="test", messages=USER)
    assert whole.choices[0].message.content == "a b c" and whole._request_id
    chunks = list(client.chat.completions.create(model="test", messages=USER, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "a b c"
    with pytest.raises(NotFoundError):
        client.chat.completions.create(model="other", messages=USER)
    config = user_config(ModelServiceSpec.model_validate({**spec, "limits": {"concurrentRequests": 1}}))
    deployment: Any = build({"service": spec, "name": "test"})._bound_deployment
    serve.run(deployment.options(user_config=config).bind(spec, "test", ("cpu", 1.0)), name="test", route_prefix="/")
    stream = client.chat.completions.create(
        model="test", messages=[{"role": "user", "content": "w " * 2000}], max_tokens=2000, stream=True
    )
    next(stream)
    with pytest.raises(RateLimitError) as refused:
        client.chat.completions.create(model="test", messages=USER)
    assert refused.value.code == "rate_limit_exceeded" and refused.value.response.headers["retry-after"]
    stream.close()
    patient = OpenAI(base_url=client.base_url, api_key="-", max_retries=60, timeout=PATIENCE)
    assert patient.chat.completions.create(model="test", messages=USER).choices  # the row of the closed stream is free
    with suppress(TooLate):
        wait_for(lambda: not _missing_metrics(), "all metrics", PATIENCE, every=1)
    assert _missing_metrics() == set()


def _missing_metrics() -> set[str]:
    """What the panels and alerts use and the port for metrics of Ray does not have, after the renaming of the PodMonitor."""
    import ray
    from prometheus_client.parser import text_string_to_metric_families

    (node,) = ray.nodes()
    with urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", timeout=PATIENCE) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    found: dict[str, set[str]] = {}
    for sample in (sample for family in families for sample in family.samples):
        name = re.sub(f"^{RENAMED['regex']}$", r"\1", sample.name)
        found.setdefault(name, set()).update(sample.labels)
    wanted = {f"{PREFIX}{one.name}{'_bucket' if one.kind == 'histogram' else ''}": {"model", *one.labels} for one in SERIES}
    missing = {name for name, labels in wanted.items() if not labels <= found.get(name, set())}
    return missing | ({"ray_node_cpu_count", "ray_serve_deployment_replica_healthy"} - found.keys())


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_ends_the_command_with_its_reason(tmp_path: Path) -> None:
    service = {
        "apiVersion": "datajob.io/v1alpha1",
        "kind": "ModelService",
        "metadata": {"name": "missing"},
        "spec": {"model": {"textGeneration": {"model": str(tmp_path / "none"), "device": "cpu"}}, "auth": {"anonymous": True}},
    }
    (tmp_path / "model.yaml").write_text(json.dumps(service))
    command = [sys.executable, "-m", "datajob.cli", "serve", str(tmp_path / "model.yaml"), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=dict(os.environ), check=False)
    assert done.returncode == 2, done.stderr
    assert "Error: " in done.stderr and "Traceback" not in done.stderr
    assert "does not exist" in done.stderr or "needs torch" in done.stderr


@pytest.mark.slow
def test_a_port_that_is_in_use_ends_the_command_with_its_reason(tmp_path: Path) -> None:
    service = {"apiVersion": "datajob.io/v1alpha1", "kind": "ModelService", "metadata": {"name": "fake"}, "spec": SPEC}
    (tmp_path / "model.yaml").write_text(json.dumps(service))
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = str(used.getsockname()[1])
        command = [sys.executable, "-m", "datajob.cli", "serve", str(tmp_path / "model.yaml"), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1 and f"port {port}: Address already in use" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "keys", "message"),
    [
        ({}, False, "contains no ModelService"),
        ({"auth": {"secretName": "keys"}}, False, "--keys FOLDER"),
        ({"auth": {"secretName": "keys"}}, True, "contains no API key"),
        ({"auth": {"anonymous": True}}, True, "`--keys` has no effect"),
        ({"auth": {}}, False, "exactly one of"),
    ],
)
def test_a_file_that_cannot_be_served_is_refused(change: dict[str, Any], keys: bool, message: str, tmp_path: Path) -> None:
    from datajob.cli.serving import serve_file
    from datajob.errors import InvalidJob

    kind = "ModelService" if change else "DataJob"
    service = {"apiVersion": "datajob.io/v1alpha1", "kind": kind, "metadata": {"name": "fake"}, "spec": {**SPEC, **change}}
    (tmp_path / "model.yaml").write_text(json.dumps(service))
    (tmp_path / "keys").mkdir()
    with pytest.raises(InvalidJob, match=message):
        serve_file(
            file=str(tmp_path / "model.yaml"),
            name=None,
            overrides=(),
            host="127.0.0.1",
            port=0,
            keys=str(tmp_path / "keys") if keys else None,
            ray=False,
            quiet=True,
        )
