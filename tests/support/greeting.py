"""A second kind for tests: a Greeting owns a ConfigMap with its text.

`python -m tests.support.greeting` runs a controller that serves it beside the kinds of the product.
"""

import os
from datetime import datetime
from typing import Any

from datajob_controller.__main__ import main
from datajob_controller.kinds import kinds
from datajob_controller.runtime.kind import Kind, OwnedKind
from datajob_controller.runtime.manifests import Manifest, metadata
from datajob_controller.runtime.resources import CONFIG_MAP, Resource
from datajob_controller.runtime.types import Decision, Event, Observed, Reference

GREETING = Resource("Greeting", "test.datajob.io", "v1", "greetings")


def decide(greeting: Manifest, observed: Observed, _: datetime) -> Decision:
    """The ConfigMap contains the text of the spec, and the status repeats it."""
    name, text = f"{greeting['metadata']['name']}-greeting", greeting["spec"]["text"]
    found = observed.of("ConfigMap").get(name)
    if found is None:
        meta = metadata(greeting, name)
        return Decision(create=[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": text}}])
    if found["data"]["text"] != text:
        return Decision(delete=[Reference("ConfigMap", name)])
    status = {"text": text}
    if greeting.get("status") == status:
        return Decision()
    return Decision(status=status, events=[Event("Normal", "Greeted", f"The ConfigMap {name} contains {text!r}.")])


def greeting_kind() -> Kind:
    """The kind: it needs the data of its ConfigMaps, of which DataJobs need only the report."""
    owned = OwnedKind(CONFIG_MAP, keep=lambda manifest: {"data": manifest.get("data", {})})
    return Kind(GREETING, decide=decide, owned=(owned,))


def crd() -> dict[str, Any]:
    """The CustomResourceDefinition."""
    text = {"type": "object", "properties": {"text": {"type": "string"}}}
    schema = {"type": "object", "properties": {"spec": text, "status": text}}
    version = {"name": GREETING.version, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{GREETING.plural}.{GREETING.group}"},
        "spec": {
            "group": GREETING.group,
            "names": {"kind": GREETING.kind, "plural": GREETING.plural, "singular": "greeting"},
            "scope": "Namespaced",
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def role() -> list[dict[str, Any]]:
    """What the controller's account needs in addition."""
    rules = [
        {"apiGroups": [GREETING.group], "resources": ["greetings"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": [GREETING.group], "resources": ["greetings/status"], "verbs": ["patch"]},
        {"apiGroups": [GREETING.group], "resources": ["greetings/finalizers"], "verbs": ["update"]},
    ]
    api, group = "rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io"
    meta = {"name": "greeting-controller"}
    subject = {"kind": "ServiceAccount", "name": "datajob-controller", "namespace": "datajob-system"}
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": meta["name"]}
    return [
        {"apiVersion": api, "kind": "ClusterRole", "metadata": meta, "rules": rules},
        {"apiVersion": api, "kind": "ClusterRoleBinding", "metadata": meta, "roleRef": reference, "subjects": [subject]},
    ]


if __name__ == "__main__":
    main([*kinds(os.environ), greeting_kind()])
