"""The API server, as plain dicts: the official client's async connection without its models.

Every write names the controller as field manager and its content type, which the client would otherwise guess.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from datajob.api import API_GROUP, API_VERSION
from datajob.api.contract import CONTROLLER
from datajob_controller.runtime.manifests import Manifest

REQUEST_SECONDS = 30
FIRST_WAIT = 0.01
_JSON = "application/json"
APPLY = "application/apply-patch+yaml"

_RESOURCES = {
    "DataJob": (f"apis/{API_GROUP}/{API_VERSION}", "datajobs"),
    "RayJob": ("apis/ray.io/v1", "rayjobs"),
    "ConfigMap": ("api/v1", "configmaps"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "Event": ("api/v1", "events"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "NetworkPolicy": ("apis/networking.k8s.io/v1", "networkpolicies"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
}

Observer = Callable[[str, str, int, float], None]
"""Told verb, kind, status code and seconds of every request."""


class ApiError(Exception):
    """The API server refused; `code` is the HTTP status."""

    def __init__(self, code: int, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.details = details


async def load_configuration() -> Configuration:
    """The service account of a pod, else the kubeconfig of a person."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


class Kube:
    """A connection; use it with `async with`."""

    def __init__(self, configuration: Configuration, observe: Observer = lambda *_: None) -> None:
        self._client = ApiClient(configuration)
        self._host = configuration.host.rstrip("/")
        self._observe = observe

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object, or None where there is none."""
        try:
            return await self._request("GET", kind, _path(kind, namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def create(self, manifest: Manifest, *, tries: int = 1) -> Manifest:
        """Create an object; it is an error (409) when something has its name. Where something is missing (404), try again."""
        path, query = _path(manifest["kind"], manifest["metadata"]["namespace"]), {"fieldManager": CONTROLLER}
        for wait in range(tries - 1):
            try:
                return await self._request("POST", manifest["kind"], path, manifest, query=query)
            except ApiError as error:
                if error.code != 404:
                    raise
            await asyncio.sleep(FIRST_WAIT * 2**wait)
        return await self._request("POST", manifest["kind"], path, manifest, query=query)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object; it is an error (409) when it changed since it was read."""
        meta = manifest["metadata"]
        path = _path(manifest["kind"], meta["namespace"], meta["name"])
        return await self._request("PUT", manifest["kind"], path, manifest, query={"fieldManager": CONTROLLER})

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply a status, server-side. An older resourceVersion than the last one is an error (409)."""
        meta = manifest["metadata"]
        path = f"{_path(manifest['kind'], meta['namespace'], meta['name'])}/status"
        query = {"fieldManager": CONTROLLER, "force": "true"}
        return await self._request("PATCH", manifest["kind"], path, manifest, query=query, content=APPLY)

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> None:
        """Delete an object and, in the background, what it owns; with a UID, just that very one."""
        body: Manifest = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self._request("DELETE", kind, _path(kind, namespace, name), body)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def serves(self, kind: str) -> bool:
        """Whether the API server knows a kind."""
        base, plural = _RESOURCES[kind]
        try:
            listed = await self._request("GET", kind, f"/{base}")
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return any(resource["name"] == plural for resource in listed.get("resources", ()))

    async def _request(
        self,
        verb: str,
        kind: str,
        path: str,
        body: Manifest | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content: str = _JSON,
    ) -> Manifest:
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": _JSON, "Content-Type": content}
        await self._client.update_params_for_auth(headers, {}, ["BearerToken"], path, verb, body)
        began, code = time.monotonic(), 0
        try:
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            send = self._client.rest_client.request
            answer = await send(verb, url, headers=headers, body=body, _request_timeout=timeout)  # type: ignore[no-untyped-call]
            code = answer.status
            text = await answer.read()
        finally:
            self._observe(verb, kind, code, time.monotonic() - began)
        said: Manifest = _parsed(text)
        if code >= 400:
            raise ApiError(code, said.get("message", text[:200].decode(errors="replace")), said)
        return said


def _parsed(text: bytes) -> Manifest:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _path(kind: str, namespace: str, name: str | None = None) -> str:
    base, plural = _RESOURCES[kind]
    return f"/{base}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")
