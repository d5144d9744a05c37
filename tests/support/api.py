"""The API server for tests: plain dicts over HTTPS with the standard library, as an administrator or with a token."""

import base64
import json
import secrets
import ssl
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

from hack.cluster.waiting import SECONDS, wait_for

BASES = {
    "datajobs": "apis/datajob.io/v1alpha1",
    "rayjobs": "apis/ray.io/v1",
    "rayclusters": "apis/ray.io/v1",
    "rayservices": "apis/ray.io/v1",
    "modelservices": "apis/datajob.io/v1alpha1",
    "httproutes": "apis/gateway.networking.k8s.io/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "roles": "apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "apis/rbac.authorization.k8s.io/v1",
    "networkpolicies": "apis/networking.k8s.io/v1",
    "validatingwebhookconfigurations": "apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicies": "apis/admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings": "apis/admissionregistration.k8s.io/v1",
    "customresourcedefinitions": "apis/apiextensions.k8s.io/v1",
}


class Refused(Exception):
    """The API server returned an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Api:
    """Requests to one API server, as one user."""

    server: str
    tls: ssl.SSLContext
    token: str = ""

    def request(self, verb: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """One request; raises Refused. If the API server is overloaded, a request that can be repeated is repeated."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                return self._request(verb, path, body, content)
            except (Refused, OSError) as error:
                final = isinstance(error, Refused) and error.code not in (429, 504)
                if final or verb == "POST" or time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def _request(self, verb: str, path: str, body: Any, content: str) -> Any:
        headers = {"Content-Type": content, "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(f"{self.server}/{path}", data, headers, method=verb)
        try:
            with urlopen(request, context=self.tls, timeout=120) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            text = error.read()
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError):
                message = text.decode(errors="replace")
            raise Refused(error.code, message) from None

    def get(self, plural: str, namespace: str, name: str) -> Any:
        """An object, or None."""
        try:
            return self.request("GET", _path(plural, namespace, name))
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def list(self, plural: str, namespace: str = "", selector: str = "") -> list[Any]:
        """The objects of a namespace, or of all namespaces."""
        query = f"?labelSelector={selector}" if selector else ""
        return list(self.request("GET", _path(plural, namespace) + query)["items"])

    def create(self, plural: str, body: Any, *, dry_run: bool = False) -> Any:
        """Create an object; unknown fields are an error, as with kubectl."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.request("POST", _path(plural, body["metadata"].get("namespace", "")) + query, body)

    def apply(self, plural: str, body: Any, manager: str = "test") -> Any:
        """Apply an object, server-side."""
        meta = body["metadata"]
        query = f"?fieldManager={manager}&force=true&fieldValidation=Strict"
        path = _path(plural, meta.get("namespace", ""), meta["name"]) + query
        return self.request("PATCH", path, body, "application/apply-patch+yaml")

    def patch(self, plural: str, namespace: str, name: str, body: Any, subresource: str = "") -> Any:
        """Merge a patch into an object."""
        path = _path(plural, namespace, name) + (f"/{subresource}" if subresource else "")
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def delete(self, plural: str, namespace: str, name: str, grace_seconds: int | None = None) -> None:
        """Delete an object if it exists."""
        options = {"gracePeriodSeconds": grace_seconds} if grace_seconds is not None else None
        try:
            self.request("DELETE", _path(plural, namespace, name), options)
        except Refused as refused:
            if refused.code != 404:
                raise

    def delete_all(self, plural: str, namespace: str) -> None:
        """Delete all objects of a namespace."""
        self.request("DELETE", _path(plural, namespace))

    def create_namespace(self, prefix: str) -> str:
        """Create a namespace with a unique name that is ready for pods, and return its name."""
        name = f"{prefix}-{secrets.token_hex(4)}"
        self.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        wait_for(lambda: self.get("serviceaccounts", name, "default"), f"the default account of the namespace {name}")
        return name

    def token_of(self, namespace: str, account: str) -> str:
        """A token of a service account."""
        path = f"{_path('serviceaccounts', namespace, account)}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 36000}}
        return str(self.request("POST", path, body)["status"]["token"])

    def as_account(self, namespace: str, account: str) -> "Api":
        """The same API server, as a service account."""
        bare = ssl.create_default_context()
        bare.check_hostname, bare.verify_mode = (
            False,
            ssl.CERT_NONE,
        )  # these tests are about the identity of the client, not of the server
        return Api(self.server, bare, self.token_of(namespace, account))


def connect(kubeconfig: Path) -> Api:
    """The API server of a kubeconfig, as its user."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    tls = ssl.create_default_context()
    tls.check_hostname = "tls-server-name" not in cluster
    with tempfile.TemporaryDirectory() as folder:
        tls.load_verify_locations(_file(cluster, "certificate-authority", folder))
        tls.load_cert_chain(_file(user, "client-certificate", folder), _file(user, "client-key", folder))
    return Api(cluster["server"], tls)


def authority(kubeconfig: Path) -> str:
    """The certificate authority of a kubeconfig, as base64."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    if "certificate-authority-data" in cluster:
        return str(cluster["certificate-authority-data"])
    return base64.b64encode(Path(cluster["certificate-authority"]).read_bytes()).decode()


def _file(values: dict[str, str], key: str, folder: str) -> str:
    if key in values:
        return values[key]
    path = Path(folder) / key
    path.write_bytes(base64.b64decode(values[f"{key}-data"]))
    return str(path)


def _path(plural: str, namespace: str = "", name: str = "") -> str:
    base = BASES.get(plural, "api/v1")
    within = f"/namespaces/{namespace}" if namespace and plural != "namespaces" else ""
    return f"{base}{within}/{plural}" + (f"/{name}" if name else "")
