"""The files of manifests/monitoring: each kind generates its own."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from datajob import __version__
from datajob.api.contract import CONTROLLER
from datajob_controller.shared.monitoring.alerts import Alert, rules

FOLDER = Path(__file__).parents[4] / "manifests" / "monitoring"
SELECTOR = {"app.kubernetes.io/name": CONTROLLER, "app.kubernetes.io/instance": "datajob"}
LABELS = {
    **SELECTOR,
    "app.kubernetes.io/version": __version__,
    "app.kubernetes.io/component": "controller",
    "app.kubernetes.io/part-of": "datajob-operator",
}


def write(files: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Write the files; with --check, list the ones that are out of date."""
    stale = [name for name, text in files.items() if not (FOLDER / name).exists() or (FOLDER / name).read_text() != text]
    if "--check" in arguments:
        for name in stale:
            print(f"{name} is out of date: run make generate")
        return bool(stale)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(files[name])
        print(f"wrote {name}")
    return 0


def rules_file(name: str, alerts: Iterable[Alert]) -> str:
    """A PrometheusRule with alerts."""
    return as_yaml(monitoring_object("PrometheusRule", name, {"groups": [{"name": name, "rules": rules(alerts)}]}))


def monitoring_object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An object of the Prometheus operator."""
    meta = {"name": name, "namespace": "datajob-system", "labels": LABELS}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": meta, "spec": spec}


def as_json(value: Any) -> str:
    """A file with JSON."""
    return json.dumps(value, indent=2) + "\n"


class _WithoutAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(value: Any) -> str:
    """A file with YAML."""
    return yaml.dump(value, sort_keys=False, width=120, Dumper=_WithoutAliases)
