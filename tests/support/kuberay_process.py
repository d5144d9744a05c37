"""Programs that run next to a control plane without nodes: the operator of KubeRay, and an admission webhook."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from hack.cluster import certificates
from hack.cluster.bare import BareCluster
from hack.cluster.build import binary
from hack.cluster.sandbox import ROOT

DENIED = "the team label is missing"


@contextmanager
def kuberay_operator(cluster: BareCluster, namespaces: list[str], folder: Path) -> Iterator[None]:
    """The operator of KubeRay for some namespaces."""
    kubeconfig = folder / "kuberay.kubeconfig"
    kubeconfig.write_text(certificates.kubeconfig(cluster.sandbox.folder / "pki", "admin"))
    command = ["env", f"KUBECONFIG={kubeconfig}", str(binary("kuberay-operator"))]
    command += ["--enable-leader-election=false", f"--watch-namespace={','.join(namespaces)}"]
    with _inside(cluster, command, folder / "kuberay.log"):
        yield


@contextmanager
def denying_webhook(cluster: BareCluster, port: int, folder: Path) -> Iterator[None]:
    """An admission webhook that denies everything."""
    pki = cluster.sandbox.folder / "pki"
    command = [
        "env",
        f"PYTHONPATH={ROOT}",
        sys.executable,
        "-m",
        __name__,
        str(pki / "apiserver.crt"),
        str(pki / "apiserver.key"),
        str(port),
    ]
    with _inside(cluster, command, folder / "webhook.log"):
        yield


@contextmanager
def _inside(cluster: BareCluster, command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen([*cluster.sandbox.enter(), *command], cwd=ROOT, stdout=out, stderr=out)
    try:
        yield
    finally:
        process.terminate()
        process.wait(120)


class _Denies(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer an AdmissionReview."""
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": DENIED}}
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main(certificate: str, key: str, port: str) -> None:
    """Serve the webhook until the process ends."""
    server = HTTPServer(("127.0.0.1", int(port)), _Denies)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
