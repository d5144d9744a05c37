"""Pod templates of any shape, and the fields of Kubernetes that they are checked against."""

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest

from datajob.api.pod_fields import CONTAINER_FIELDS, POD_FIELDS
from datajob.api.pod_template import template_problems
from datajob_controller.shared.objects.merge import merged

WORKER = "ray-worker"
SIDECAR = {"name": "proxy", "image": "envoy:1", "ports": [{"containerPort": 9901}]}

FULL: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
    "spec": {
        "securityContext": {"runAsUser": 7, "runAsNonRoot": True, "sysctls": [], "seccompProfile": {"type": "RuntimeDefault"}},
        "hostNetwork": False,
        "volumes": [{"name": "a", "emptyDir": {}}],
        "initContainers": [SIDECAR],
        "containers": [
            {
                "name": WORKER,
                "env": [{"name": "A", "value": "b"}, {"name": "B", "$patch": "delete"}],
                "resources": {"requests": {"rdma/hca": "1"}, "limits": {"rdma/hca": "1"}},
                "securityContext": {"capabilities": {"add": [], "drop": ["ALL"]}, "privileged": False, "appArmorProfile": {}},
                "volumeMounts": [{"name": "a", "mountPath": "/a"}],
            },
            {**SIDECAR, "volumeMounts": [{"name": "a", "mountPath": "/a"}]},
        ],
    },
}


def variants(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by values of other types."""
    yield from ("x", 7, 1.5, True, None, [], {}, ["x"], [{}], [[]], {"x": 1})
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        for other in variants(part):
            changed = copy(value)
            changed[key] = other
            yield changed


def test_values_of_other_types_never_end_the_check() -> None:
    """They are a problem, or they can be merged and are left to the schema of the RayJob."""
    assert list(template_problems(FULL, ("podTemplate",), WORKER)) == []
    valid = 0
    for changed in variants(FULL):
        if isinstance(changed, dict) and not list(template_problems(changed, ("podTemplate",), WORKER)):
            merged(FULL, changed)
            valid += 1
    assert valid > 200


def test_the_fields_of_kubernetes_are_complete() -> None:
    """The Go types of the test cluster's version, if Go has downloaded them."""
    found = sorted(Path.home().glob("go/pkg/mod/k8s.io/api@v0.35.*/core/v1/types.go"))
    if not found:
        pytest.skip("the Go module k8s.io/api is not downloaded")
    text = found[-1].read_text()
    for struct, fields in (("PodSpec", POD_FIELDS), ("Container", CONTAINER_FIELDS)):
        body = text.split(f"\ntype {struct} struct {{")[1].split("\n}\n")[0]
        names = {
            part.split('"')[1].split(",")[0]
            for part in body.splitlines()
            if 'json:"' in part
            for part in [part.split("json:")[1]]
        }
        assert names == fields
