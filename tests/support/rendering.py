"""Renders the objects that kustomize and Helm install, for comparison."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.build import binary
from hack.cluster.versions import KUBERNETES

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "datajob-operator"
NAMESPACE = "datajob-system"
Rendered = dict[tuple[str, str, str], dict[str, Any]]
"""Objects by kind, namespace and name."""


def kustomized(folder: str) -> Rendered:
    """What `kubectl apply -k` of a folder applies."""
    return _objects(_run(str(binary("kubectl")), "kustomize", str(ROOT / folder)))


def templated(*arguments: str) -> Rendered:
    """What `helm install` installs."""
    helm = (str(binary("helm")), "template", "datajob", str(CHART), "--namespace", NAMESPACE, "--kube-version", KUBERNETES)
    return _objects(_run(*helm, *arguments))


def without_bookkeeping(rendered: Rendered) -> Rendered:
    """Without the labels, annotations and hooks of Helm, and without the namespace, which Helm does not create."""
    compared = {}
    for key, found in rendered.items():
        if key[0] == "Namespace" or "helm.sh/hook" in found["metadata"].get("annotations", {}):
            continue
        meta = dict(found["metadata"])
        labels = {k: v for k, v in meta.get("labels", {}).items() if k not in ("helm.sh/chart", "app.kubernetes.io/managed-by")}
        notes = {k: v for k, v in meta.get("annotations", {}).items() if not k.startswith("helm.sh/")}
        compared[key] = {**found, "metadata": {**meta, "labels": labels, "annotations": notes}}
        if key[0] == "Deployment":  # kustomize puts what a patch changes first
            found["spec"]["template"]["spec"]["containers"][0]["env"].sort(key=lambda one: one["name"])
    return compared


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == "", done.stderr
    return done.stdout


def _objects(text: str) -> Rendered:
    found = [one for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in found}
