"""What `helm test` runs, on a real API server: it names the permission that is missing."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from hack.cluster.cluster import Cluster
from hack.cluster.waiting import wait_for
from tests.support.api import Api
from tests.support.controller_process import account_kubeconfig

GROUPS = ["", "datajob.io", "ray.io", "coordination.k8s.io", "batch", "gateway.networking.k8s.io"]
WATCHES = [
    {"apiGroups": GROUPS, "resources": ["*"], "verbs": ["list", "watch"]},
]


def check(kubeconfig: Path, namespace: str) -> str:
    env = {**os.environ, "KUBECONFIG": str(kubeconfig), "DATAJOB_NAMESPACES": namespace, "POD_NAMESPACE": namespace}
    env["DATAJOB_LEASE_SECONDS"] = "3600"
    done = subprocess.run(
        [sys.executable, "-m", "datajob_controller.check"], env=env, capture_output=True, text=True, timeout=240
    )
    return done.stdout + done.stderr


def test_the_permission_to_claim_a_namespace_is_checked(
    api: Api, namespace: str, control_plane: Cluster, tmp_path: Path
) -> None:
    control_plane.kubectl("-n", namespace, "create", "serviceaccount", "checked")
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r", "namespace": namespace}}
    api.apply("roles", {**role, "rules": WATCHES})
    control_plane.kubectl("-n", namespace, "create", "rolebinding", "r", "--role=r", f"--serviceaccount={namespace}:checked")
    kubeconfig = account_kubeconfig(api, control_plane.kubeconfig, tmp_path, account=(namespace, "checked"))
    wait_for(lambda: "no permission to create leases in" in check(kubeconfig, namespace), "the role to be enforced")
    names = {"resources": ["leases"], "apiGroups": ["coordination.k8s.io"]}
    create, get = {**names, "verbs": ["create"]}, {**names, "verbs": ["get"]}
    api.apply("roles", {**role, "rules": [*WATCHES, create, get]})
    wait_for(lambda: "to update leases/datajob-namespace in" in check(kubeconfig, namespace), "the new role")
    api.apply("roles", {**role, "rules": [*WATCHES, create, {**names, "verbs": ["get", "update"]}]})
    lease = {"holderIdentity": "controller", "leaseDurationSeconds": 3600, "renewTime": f"{datetime.now(UTC):%FT%T.%fZ}"}
    meta = {"name": "datajob-controller", "namespace": namespace}
    api.apply("leases", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": lease})
    wait_for(lambda: f"ok: {namespace} can be served" in check(kubeconfig, namespace), "all permissions")
