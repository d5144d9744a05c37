"""The permissions of the driver at the API server: read and patch its own report, nothing else."""

from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import report_config
from datajob_controller.runtime.manifests import Manifest, metadata

_GROUP = "rbac.authorization.k8s.io"


def service_account_name(spec: DataJobSpec, run: str) -> str:
    """The ServiceAccount of the pods: the one in the spec, or one that belongs to the run."""
    return spec.runtime.service_account_name or run


def service_account(datajob: Manifest, run: str) -> Manifest:
    """The ServiceAccount of a run."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(datajob, run),
        "automountServiceAccountToken": False,
    }


def role(datajob: Manifest, run: str) -> Manifest:
    """The permission to patch the report of a run."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "Role",
        "metadata": metadata(datajob, run),
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [report_config(run)], "verbs": ["get", "patch"]}
        ],
    }


def role_binding(datajob: Manifest, run: str, account: str) -> Manifest:
    """Grants that permission to the ServiceAccount of the pods."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(datajob, run),
        "roleRef": {"apiGroup": _GROUP, "kind": "Role", "name": run},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": datajob["metadata"]["namespace"]}],
    }
