"""Writes the report of a running job to its ConfigMap. The controller copies parts of it to the status.

Uses plain HTTPS and the pod's token, so the image needs no Kubernetes client. An API server that does not respond never
blocks or fails the run; only the last report is retried.
"""

from __future__ import annotations

import json
import logging
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datajob.api.contract import ENV_NAMESPACE, ENV_REPORT_CONFIGMAP, REPORT_KEY
from datajob.api.report import Report

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
INTERVAL_SECONDS = 5.0
TIMEOUT_SECONDS = 10.0
LAST_TRIES = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConfigMapAddress:
    """The report ConfigMap at the API server."""

    url: str
    token_file: Path
    ca_file: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> ConfigMapAddress | None:
        """The ConfigMap that the controller created for this job, or None outside a cluster."""
        name, namespace = environment.get(ENV_REPORT_CONFIGMAP), environment.get(ENV_NAMESPACE)
        host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
        if not (name and namespace and host):
            return None
        host = f"[{host}]" if ":" in host else host
        url = f"https://{host}:{port}/api/v1/namespaces/{namespace}/configmaps/{name}"
        return cls(url, SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt")


class ReportPublisher:
    """Sends reports in the background: only the newest one, at most one per interval."""

    def __init__(self, address: ConfigMapAddress, interval: float = INTERVAL_SECONDS) -> None:
        self._address = address
        self._interval = interval
        self._newest: Report | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="report-publisher")
        self._thread.start()

    def offer(self, report: Report) -> None:
        """Send this report soon, unless a newer one arrives first. Never blocks."""
        self._newest = report
        self._wake.set()

    def close(self, last: Report | None) -> None:
        """Send the last report, with a few retries, and stop the thread."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        for attempt in range(LAST_TRIES if last is not None else 0):
            assert last is not None
            if self._send(last):
                return
            time.sleep(2.0**attempt)

    def _loop(self) -> None:
        while self._wake.wait() and not self._stop.is_set():
            self._wake.clear()
            if self._newest is not None:
                self._send(self._newest)
            self._stop.wait(self._interval)

    def _send(self, report: Report) -> bool:
        compact = report.model_copy(update={"histograms": (), "samples": (), "measures": ()})
        body = json.dumps({"data": {REPORT_KEY: compact.model_dump_json(by_alias=True, exclude_none=True)}}).encode()
        try:
            request = urllib.request.Request(self._address.url, body, method="PATCH")  # noqa: S310 - always https
            request.add_header("Content-Type", "application/merge-patch+json")
            request.add_header("Authorization", f"Bearer {self._address.token_file.read_text().strip()}")
            context = ssl.create_default_context(cafile=str(self._address.ca_file))
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=context):  # noqa: S310
                return True
        except (OSError, urllib.error.URLError) as error:
            log.warning("cannot write the report to its ConfigMap: %s", error)
            return False
