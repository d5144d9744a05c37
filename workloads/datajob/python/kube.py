"""Requests to the API server about DataJobs with the official client, whose errors become errors of this package."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import yaml

from datajob.api import API_GROUP, API_VERSION
from datajob.errors import ClusterUnavailable, InvalidJob

FIELD_MANAGER = "datajob-submit"
PLURAL = "datajobs"
REQUEST_SECONDS = 30
_NAMESPACE_OF_POD = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
_TEMPORARY = (408, 429, 500, 502, 503, 504)


class Temporary(ClusterUnavailable):
    """A failure that a later request may not have."""


class DataJobs:
    """The DataJobs of one namespace."""

    def __init__(self, namespace: str | None = None, context: str | None = None) -> None:
        """Connect with the kubeconfig, or with the service account of the pod if there is none.

        Args:
            namespace: By default, that of the context or of the pod.
            context: By default, the current one of the kubeconfig.

        Raises:
            ClusterUnavailable: There is no usable configuration, or the package kubernetes is not installed.
        """
        try:
            from kubernetes import client, config
        except ModuleNotFoundError as error:
            raise ClusterUnavailable(
                "DataJobs are submitted with the package kubernetes: pip install 'datajob[submit]'"
            ) from error
        configuration = client.Configuration()
        try:
            configured = _configured(config, configuration, context)
        except (config.ConfigException, OSError, yaml.YAMLError) as error:
            raise ClusterUnavailable(f"there is no usable kubeconfig or service account: {error}") from error
        self.namespace = namespace or configured
        self._api = client.CustomObjectsApi(client.ApiClient(configuration))

    def get(self, name: str) -> dict[str, Any] | None:
        """A DataJob, or None if there is none of this name. Raises ClusterUnavailable."""
        try:
            return self._call(self._api.get_namespaced_custom_object, "get", name)
        except _NotFound as error:
            if error.of_object:
                return None
            raise

    def apply(self, job: dict[str, Any], *, force: bool = False) -> dict[str, Any]:
        """Apply a DataJob, server-side.

        Raises:
            InvalidJob: The API server refuses the object, or another tool manages a field that would change.
            ClusterUnavailable: The API server cannot be reached, or the permission is missing.
        """
        options = {"field_manager": FIELD_MANAGER, "field_validation": "Strict", "force": force}
        content = "application/apply-patch+yaml"
        patch = self._api.patch_namespaced_custom_object
        return self._call(patch, "patch", job["metadata"]["name"], body=job, _content_type=content, **options)

    def delete(self, name: str, uid: str) -> None:
        """Delete a DataJob, if it is the one with this UID. Raises ClusterUnavailable."""
        try:
            self._call(self._api.delete_namespaced_custom_object, "delete", name, body={"preconditions": {"uid": uid}})
        except (_NotFound, InvalidJob):  # deleted or replaced meanwhile
            return

    def _call(self, request: Callable[..., Any], verb: str, name: str, **more: Any) -> dict[str, Any]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        address: dict[str, Any] = {
            "group": API_GROUP,
            "version": API_VERSION,
            "namespace": self.namespace,
            "plural": PLURAL,
            "name": name,
        }
        try:
            found = request(**address, **more, _request_timeout=REQUEST_SECONDS)
            if found is None:  # the client returns nothing for 201 Created
                found = self._api.get_namespaced_custom_object(**address, _request_timeout=REQUEST_SECONDS)
            return dict(found)
        except ApiException as error:
            raise self._translated(error, verb, name) from error
        except (HTTPError, OSError) as error:
            raise Temporary(f"the Kubernetes API server cannot be reached: {error}") from error

    def _translated(self, error: Any, verb: str, name: str) -> Exception:
        code, message, of_object = int(error.status or 0), _message(error), _details(error).get("name") == name
        if code == 404:
            fix = "" if of_object else ". The namespace, or the CustomResourceDefinition of DataJob, does not exist"
            return _NotFound(f"{message}{fix}", of_object=of_object)
        if code in (401, 403):
            return ClusterUnavailable(f"no permission to {verb} {PLURAL}.{API_GROUP} in namespace {self.namespace}: {message}")
        if code == 409 and verb == "patch":
            fix = "Submit it with the tool that manages these fields, or use --force-conflicts to take them over"
            return InvalidJob(f"another tool manages fields of DataJob {name} in namespace {self.namespace}: {message}. {fix}")
        if code in (400, 409, 422):
            return InvalidJob(f"the API server refuses DataJob {name}: {message}")
        kind = Temporary if code in _TEMPORARY else ClusterUnavailable
        return kind(f"the Kubernetes API server returned {code}: {message}")


class _NotFound(ClusterUnavailable):
    def __init__(self, message: str, *, of_object: bool) -> None:
        super().__init__(message)
        self.of_object = of_object


def _configured(config: Any, configuration: Any, context: str | None) -> str:
    """Fill in the configuration; returns its namespace."""
    file = os.environ.get("KUBECONFIG") or None  # the client reads the variable only once
    try:
        config.load_kube_config(config_file=file, context=context, client_configuration=configuration)
    except config.ConfigException:
        if context:
            raise
        config.load_incluster_config(client_configuration=configuration)
        with open(_NAMESPACE_OF_POD) as mounted:
            return mounted.read().strip() or "default"
    contexts, current = config.list_kube_config_contexts(config_file=file)
    chosen = next((one for one in contexts if one["name"] == context), current)
    return str(chosen["context"].get("namespace") or "default")


def _details(error: Any) -> dict[str, Any]:
    try:
        return dict(json.loads(error.body).get("details") or {})
    except (TypeError, ValueError, AttributeError):
        return {}


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return f"{error.status} {error.reason}"
