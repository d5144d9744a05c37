"""The ConfigMaps of a run: the job as YAML, mounted into its pods, and the report of the driver."""

from typing import Any

import yaml

from datajob.api import API_GROUP, API_VERSION
from datajob.api.contract import JOB_FILE, LABEL_ROLE
from datajob_controller.datajob.names import job_config, report_config
from datajob_controller.runtime.manifests import Manifest, metadata

_Dumper: type[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""The dumper in C is ten times as fast, if PyYAML was built with it."""
ROLE_JOB = "job"
ROLE_REPORT = "report"


def job_configmap(datajob: Manifest, run: str) -> Manifest:
    """The ConfigMap that contains the DataJob without its status."""
    meta = datajob["metadata"]
    document = {
        "apiVersion": f"{API_GROUP}/{API_VERSION}",
        "kind": "DataJob",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": datajob["spec"],
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(datajob, job_config(run), {LABEL_ROLE: ROLE_JOB}),
        "data": {JOB_FILE: yaml.dump(document, Dumper=_Dumper, allow_unicode=True, sort_keys=False)},
    }


def report_configmap(datajob: Manifest, run: str) -> Manifest:
    """The empty ConfigMap that the driver patches; its content outlives the pods."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(datajob, report_config(run), {LABEL_ROLE: ROLE_REPORT}),
        "data": {},
    }
