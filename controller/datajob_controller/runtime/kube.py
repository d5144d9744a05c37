"""Access to the API server with plain dicts: the connection of the official async client, without its models.

Every write states the controller as field manager, and its content type, which the client would otherwise guess.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from datajob.api.contract import CONTROLLER
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.runtime.resources import BUILTIN, Resource

REQUEST_SECONDS = 30
MAX_EVENTS = 50
FIRST_WAIT = 0.01
PAGE = 500
_JSON = "application/json"
_REVIEW = "SelfSubjectAccessReview"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"

Observer = Callable[[str, str, int, float], None]
"""Called with verb, kind, status code and seconds of every request."""


class ApiError(Exception):
    """The API server returned an error; `code` is the HTTP status."""

    def __init__(self, code: int, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.details = details

    @property
    def namespace_terminates(self) -> bool:
        """Whether the namespace is being deleted, and everything in it with it."""
        details = self.details.get("details") or {}
        gone = self.code == 404 and details.get("kind") == "namespaces"
        return gone or any(cause.get("reason") == "NamespaceTerminating" for cause in details.get("causes", ()))


UNREACHABLE = (ApiError, aiohttp.ClientError, TimeoutError, OSError)
"""Errors of requests to the API server, as opposed to faults of the controller."""


async def load_configuration() -> Configuration:
    """The service account of the pod, or the kubeconfig outside a cluster."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


class Kube:
    """A connection; use it with `async with`. Objects are addressed by kind, among built-in kinds and `resources`."""

    def __init__(
        self, configuration: Configuration, resources: Iterable[Resource] = (), observe: Observer = lambda *_: None
    ) -> None:
        self._client = ApiClient(configuration)
        self._host = configuration.host.rstrip("/")
        self._resources = {resource.kind: resource for resource in (*BUILTIN, *resources)}
        self._observe = observe

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object, or None if it does not exist."""
        try:
            return await self._request("GET", kind, self._path(kind, namespace, name))
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def last_warning(self, namespace: str, uid: str) -> str:
        """Reason and message of the last Event about an object if it is a warning; otherwise empty, since it is over."""
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(MAX_EVENTS)}
        listed = await self._request("GET", "Event", self._path("Event", namespace), query=query)
        last: Manifest = max(listed.get("items") or (), key=_recency, default={})
        return f"{last.get('reason')}: {last.get('message')}" if last.get("type") == "Warning" else ""

    async def create(self, manifest: Manifest, *, tries: int = 1) -> Manifest:
        """Create an object. An existing object of that name is an error (409), and so is an unknown field; a 404 is retried."""
        path, query = (
            self._path(manifest["kind"], manifest["metadata"]["namespace"]),
            {"fieldManager": CONTROLLER, "fieldValidation": "Strict"},
        )
        for wait in range(tries - 1):
            try:
                return await self._request("POST", manifest["kind"], path, manifest, query=query)
            except ApiError as error:
                if error.code != 404:
                    raise
            await asyncio.sleep(FIRST_WAIT * 2**wait)
        return await self._request("POST", manifest["kind"], path, manifest, query=query)

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace an object; a change since it was read is an error (409)."""
        meta = manifest["metadata"]
        path = self._path(manifest["kind"], meta["namespace"], meta["name"])
        return await self._request("PUT", manifest["kind"], path, manifest, query={"fieldManager": CONTROLLER})

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """Apply a status, server-side; an outdated resourceVersion is an error (409)."""
        meta = manifest["metadata"]
        path = f"{self._path(manifest['kind'], meta['namespace'], meta['name'])}/status"
        query = {"fieldManager": CONTROLLER, "force": "true"}
        return await self._request("PATCH", manifest["kind"], path, manifest, query=query, content=APPLY)

    async def patch(self, kind: str, namespace: str, name: str, uid: str, operations: Sequence[Manifest]) -> Manifest:
        """Change an object with a JSON patch; a namesake with another UID, and an unknown field, are errors."""
        body = [{"op": "test", "path": "/metadata/uid", "value": uid}, *operations]
        query = {"fieldManager": CONTROLLER, "fieldValidation": "Strict"}
        return await self._request("PATCH", kind, self._path(kind, namespace, name), body, query=query, content=JSON_PATCH)

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> bool:
        """Delete an object and, in the background, its dependents; returns whether it existed.

        A namesake with another UID is not deleted.
        """
        body: Manifest = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", kind, self._path(kind, namespace, name), body)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
            return False
        return True

    async def pages(
        self, kind: str, namespace: str = "", selector: str = "", *, metadata_only: bool = False
    ) -> AsyncIterator[list[Manifest]]:
        """All objects of a kind in a namespace, by default in all, in parts. The list is as new as its first request."""
        query = {"limit": str(PAGE), **({"labelSelector": selector} if selector else {})}
        accept = _METADATA if metadata_only else _JSON
        path, after = self._path(kind, namespace), ""
        while True:
            page = {**query, "continue": after} if after else query
            listed = await self._request("GET", kind, path, query=page, accept=accept)
            # The API server leaves out the kind of the items of a list.
            api_version = self._resources[kind].api_version
            yield [{**item, "apiVersion": api_version, "kind": kind} for item in listed.get("items") or ()]
            after = listed.get("metadata", {}).get("continue", "")
            if not after:
                return

    async def serves(self, kind: str) -> bool:
        """Whether the API server serves a kind."""
        resource = self._resources[kind]
        try:
            listed = await self._request("GET", kind, f"/{resource.base}")
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return any(found["name"] == resource.plural for found in listed.get("resources") or ())

    async def namespaces(self, selector: str) -> frozenset[str]:
        """The names of the namespaces that match a label selector."""
        query = {"labelSelector": selector}
        listed = await self._request("GET", "Namespace", "/api/v1/namespaces", query=query)
        active = (one["metadata"] for one in listed["items"] or () if "deletionTimestamp" not in one["metadata"])
        return frozenset(meta["name"] for meta in active)

    async def may(self, verb: str, kind: str, namespace: str, name: str = "") -> bool:
        """Whether the controller has a permission in a namespace. Permissions from a RoleBinding end with the namespace.

        A cluster may forbid this question. Then the answer is yes, and the request itself shows what is permitted.
        """
        resource = self._resources[kind]
        attributes = {"namespace": namespace, "verb": verb, "group": resource.group, "resource": resource.plural, "name": name}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": _REVIEW, "spec": {"resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        try:
            return bool((await self._request("POST", _REVIEW, path, review))["status"]["allowed"])
        except ApiError as error:
            if error.code == 403:
                return True
            raise

    def plural(self, kind: str) -> str:
        """The name of a resource in permissions."""
        return self._resources[kind].plural

    async def _request(
        self,
        verb: str,
        kind: str,
        path: str,
        body: Manifest | list[Manifest] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content: str = _JSON,
        accept: str = _JSON,
    ) -> Manifest:
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Content-Type": content}
        await self._client.update_params_for_auth(headers, {}, ["BearerToken"], path, verb, body)
        began, code = time.monotonic(), 0
        try:
            timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
            send = self._client.rest_client.request
            response = await send(verb, url, headers=headers, body=body, _request_timeout=timeout)  # type: ignore[no-untyped-call]
            code = response.status
            text = await response.read()
        finally:
            self._observe(verb, kind, code, time.monotonic() - began)
        parsed: Manifest = _parsed(text)
        if code >= 400:
            raise ApiError(code, parsed.get("message", text[:200].decode(errors="replace")), parsed)
        return parsed

    def _path(self, kind: str, namespace: str, name: str | None = None) -> str:
        resource = self._resources[kind]
        within = f"/namespaces/{namespace}" if namespace else ""
        return f"/{resource.base}{within}/{resource.plural}" + (f"/{name}" if name else "")


def _recency(event: Manifest) -> tuple[str, bool]:
    """Sorts Events by time, those of the same second with warnings first."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")[:19], event.get("type") != "Warning"


def _parsed(text: bytes) -> Manifest:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
