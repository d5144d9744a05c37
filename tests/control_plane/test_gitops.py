"""The same file is applied again and again, by kubectl and by tools: the API server finds no difference and no conflict."""

from typing import Any

import pytest
import yaml

from datajob.operators.registry import all_operators
from hack.cluster.cluster import Cluster, KubectlFailed
from tests.support.controller_process import ROOT

SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
JOB: dict[str, Any] = {
    "sources": [{"parquet": {"paths": ["s3://lake/in/"]}}, {"csv": {"paths": ["s3://lake/csv/"]}}],
    "steps": [
        {"languageId": {"column": "text", "minScore": 0.5, "output": "lang", "scoreOutput": "certainty"}},
        {"gopherQuality": {"column": "text", "minStopWords": 0}},
        {"minhashDedup": {"column": "text", "threshold": 0.8}},
        {"exactDedup": {}},
    ],
    "sink": {"parquet": {"path": "s3://lake/out/", "mode": "overwrite", "partitionBy": ["lang"]}},
    "rejects": {"path": "s3://lake/rejected/"},
    "resources": {"head": {"cpu": "700m", "memory": "2Gi"}, "workers": {"min": 1, "max": 4, "cpu": 2}},
    "errors": {"maxRatio": 1.0},
    "suspend": True,
}


def documents() -> list[Any]:
    found = [pytest.param(yaml.safe_dump(manifest("job", JOB)), id="all blocks")]
    for part in (0, 1):  # a job has at most 64 steps
        spec = {**JOB, "steps": smallest_steps()[part::2]}
        found.append(pytest.param(yaml.safe_dump(manifest("steps", spec)), id=f"half {part + 1} of all operators"))
    for path in SAMPLES:
        jobs = [one for one in yaml.safe_load_all(path.read_text()) if one and one["kind"] == "DataJob"]
        found += [pytest.param(yaml.safe_dump(suspended(one)), id=f"{path.stem} {one['metadata']['name']}") for one in jobs]
    return found


def manifest(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "datajob.io/v1alpha1", "kind": "DataJob", "metadata": {"name": name}, "spec": spec}


def suspended(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "metadata": {"name": one["metadata"]["name"]}, "spec": {**one["spec"], "suspend": True}}


def smallest_steps() -> list[dict[str, Any]]:
    """Every operator without required parameters, with all its defaults."""
    models = all_operators().items()
    return [{key: {}} for key, model in models if not any(field.is_required() for field in model.model_fields.values())]


DOCUMENTS = pytest.mark.parametrize("text", documents())


@DOCUMENTS
def test_applying_a_file_again_changes_nothing(control_plane: Cluster, namespace: str, text: str) -> None:
    apply = ("-n", namespace, "apply", "-f", "-")
    assert "created" in control_plane.kubectl(*apply, stdin=text)
    assert "unchanged" in control_plane.kubectl(*apply, stdin=text)
    assert control_plane.kubectl("-n", namespace, "diff", "-f", "-", stdin=text) == ""


@DOCUMENTS
def test_client_side_and_server_side_apply_of_one_file_do_not_conflict(
    control_plane: Cluster, namespace: str, text: str
) -> None:
    control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=text)
    for manager in ("kubectl", "argocd", "kubectl"):
        control_plane.kubectl("-n", namespace, "apply", "--server-side", "--field-manager", manager, "-f", "-", stdin=text)
    assert control_plane.kubectl("-n", namespace, "diff", "--server-side", "-f", "-", stdin=text) == ""
    control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=text)
    generations = control_plane.kubectl("-n", namespace, "get", "dj", "-o", "jsonpath={.items[*].metadata.generation}")
    assert generations == "1"


def test_another_manager_with_another_value_conflicts(control_plane: Cluster, namespace: str) -> None:
    apply = ("-n", namespace, "apply", "--server-side", "-f", "-")
    control_plane.kubectl(*apply, "--field-manager", "argocd", stdin=yaml.safe_dump(manifest("job", JOB)))
    changed = yaml.safe_dump(manifest("job", {**JOB, "steps": JOB["steps"][:2]}))
    with pytest.raises(KubectlFailed, match="conflict"):
        control_plane.kubectl(*apply, "--field-manager", "flux", stdin=changed)


def test_the_stored_object_is_what_was_written(control_plane: Cluster, namespace: str) -> None:
    control_plane.kubectl("-n", namespace, "apply", "-f", "-", stdin=yaml.safe_dump(manifest("job", JOB)))
    found = yaml.safe_load(control_plane.kubectl("-n", namespace, "get", "dj", "job", "-o", "yaml"))
    assert found["spec"] == JOB
