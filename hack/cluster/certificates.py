"""The certificates and kubeconfigs of a cluster: one authority and one certificate per component."""

import base64
import json
import subprocess
from pathlib import Path

from hack.cluster.network import API_PORT, API_SERVICE, NODE_ADDRESS, NODE_NAME

_SERVICE = "kubernetes.default.svc.cluster.local"
_API_NAMES = ["localhost", *(_SERVICE.rsplit(".", n)[0] for n in range(1, 5)), _SERVICE]

# Subject for Kubernetes, and the names and addresses of the certificate.
PARTIES: dict[str, tuple[str, list[str]]] = {
    "apiserver": (
        "/CN=kube-apiserver",
        [*(f"DNS:{name}" for name in _API_NAMES), *(f"IP:{a}" for a in ("127.0.0.1", NODE_ADDRESS, API_SERVICE))],
    ),
    "kubelet": (f"/O=system:nodes/CN=system:node:{NODE_NAME}", [f"DNS:{NODE_NAME}", f"IP:{NODE_ADDRESS}"]),
    "admin": ("/O=system:masters/CN=admin", ["DNS:admin"]),
    "kubelet-client": ("/O=system:masters/CN=kube-apiserver-kubelet-client", ["DNS:kubelet-client"]),
    "controller-manager": ("/CN=system:kube-controller-manager", ["DNS:controller-manager"]),
    "scheduler": ("/CN=system:kube-scheduler", ["DNS:scheduler"]),
    "policies": ("/O=system:masters/CN=kube-router", ["DNS:policies"]),
    "proxy": ("/CN=system:kube-proxy", ["DNS:proxy"]),
}


def write(folder: Path) -> None:
    """Create the authority, the service account key, and all keys and certificates in an empty folder."""
    folder.mkdir()
    _new_key(folder / "sa.key")
    _openssl(folder, "pkey", "-in", "sa.key", "-pubout", "-out", "sa.pub")
    _new_key(folder / "ca.key")
    _openssl(folder, "req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=cluster", "-days", "365", "-out", "ca.crt")
    for name, (subject, alternatives) in PARTIES.items():
        _new_key(folder / f"{name}.key")
        request = folder / f"{name}.csr"
        _openssl(folder, "req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", request.name)
        extensions = folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\nextendedKeyUsage=serverAuth,clientAuth\n")
        sign = ["x509", "-req", "-in", request.name, "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "365"]
        _openssl(folder, *sign, "-extfile", extensions.name, "-out", f"{name}.crt")


def kubeconfig(folder: Path, party: str, port: int = API_PORT) -> str:
    """A self-contained kubeconfig of a component, as JSON, which is valid YAML."""

    def content(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": content("ca.crt")}
    user = {"client-certificate-data": content(f"{party}.crt"), "client-key-data": content(f"{party}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "datajob", "cluster": cluster}],
        "users": [{"name": party, "user": user}],
        "contexts": [{"name": "datajob", "context": {"cluster": "datajob", "user": party}}],
        "current-context": "datajob",
    }
    return json.dumps(config, indent=1)


def _new_key(path: Path) -> None:
    _openssl(path.parent, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path.name)


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")
