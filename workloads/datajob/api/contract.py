"""The contract between the controller and the workload: the names and numbers that both sides must agree on.

The controller creates the pods of a job; the workload (`datajob.cluster`) runs in them. Both import this module, so that a
changed name changes on both sides. Imports nothing heavy.
"""

from datajob.api import API_GROUP
from datajob.errors import (
    EndpointUnavailable,
    InputError,
    InvalidJob,
    RowsFailed,
    SinkBusy,
    SinkError,
    StorageUnavailable,
    WorkerDied,
)

CONTROLLER = "datajob-controller"
"""Field manager of the controller, and the value of the label `managed-by` of everything it creates."""

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_NAME = f"{API_GROUP}/name"
"""Name of the owner, shortened to the length of a label."""
LABEL_UID = f"{API_GROUP}/uid"
"""UID of the owner."""
LABEL_ATTEMPT = f"{API_GROUP}/attempt"
"""Number of the attempt, on RayJobs and pods."""
LABEL_ROLE = f"{API_GROUP}/role"
"""What a ConfigMap is for: `job` or `report`."""

JOB_FOLDER = "/etc/datajob"
"""Where the job's ConfigMap is mounted in the pods."""
JOB_FILE = "job.yaml"
"""Key of the job in its ConfigMap, and therefore its file name in the pods."""
JOB_PATH = f"{JOB_FOLDER}/{JOB_FILE}"
ENTRYPOINT = f"python -m datajob.cluster.run {JOB_PATH}"

REPORT_KEY = "report.json"
"""Key of the report in the report ConfigMap."""

ENV_RUN_ID = "DATAJOB_RUN_ID"
"""Identifies the run across attempts: a run that is complete does not run again."""
ENV_JOB_ID = "DATAJOB_JOB_ID"
"""Identifies the DataJob across runs: its next run takes over the sink from a driver that was killed."""
ENV_ATTEMPT = "DATAJOB_ATTEMPT"
"""Number of the attempt, counted by the controller."""
ENV_SHOW_ROWS = "DATAJOB_SHOW_ROWS"
"""`true` if messages in the status, in Events and in the log may contain values of rows."""
ENV_NAMESPACE = "DATAJOB_NAMESPACE"
"""Namespace of the report ConfigMap."""
ENV_REPORT_CONFIGMAP = "DATAJOB_REPORT_CONFIGMAP"
"""Name of the ConfigMap that the driver writes its report to."""
ENV_EXECUTOR = "DATAJOB_EXECUTOR"
"""Optional: `ray` or `local` instead of the automatic choice."""
ENV_IMAGE = "DATAJOB_IMAGE"
"""Optional: identity of the image. It is part of the fingerprint, so results of another image are not reused."""

ENV_POD = "DATAJOB_POD"
"""Name of the pod. Kubernetes reads it to mount a folder of a volume that several pods share; the workload does not."""

SET_BY_CONTROLLER = frozenset({ENV_RUN_ID, ENV_JOB_ID, ENV_ATTEMPT, ENV_SHOW_ROWS, ENV_NAMESPACE, ENV_REPORT_CONFIGMAP})
"""Variables that the controller sets on every pod. All other names with the same prefix are reserved for it."""
SET_BY_USER = frozenset({ENV_EXECUTOR, ENV_IMAGE})
"""Variables that a job (`spec.runtime.env`) or an image may set."""
_KUBERAY = """
  RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_AUTH_TOKEN_PATH RAY_ENABLE_K8S_TOKEN_AUTH RAY_ADDRESS RAY_IP FQ_RAY_IP RAY_PORT
  RAY_CLUSTER_NAME RAY_CLUSTER_NAMESPACE RAY_CLOUD_INSTANCE_ID RAY_NODE_TYPE_NAME RAY_HEAD_POD_NAME RAY_enable_autoscaler_v2
  RAY_REDIS_ADDRESS RAY_external_storage_namespace RAY_DASHBOARD_ADDRESS RAY_JOB_SUBMISSION_ID RAY_USAGE_STATS_EXTRA_TAGS
  RAY_USAGE_STATS_KUBERAY_IN_USE KUBERAY_GEN_RAY_START_CMD KUBERAY_CRD_VER
"""
SET_BY_KUBERAY = frozenset(_KUBERAY.split())
"""Variables that KubeRay sets. It does not replace values of a job, so a job could disable authentication with them."""

HEAD_CONTAINER = "ray-head"
WORKER_CONTAINER = "ray-worker"
RAY_CONTAINERS = (HEAD_CONTAINER, WORKER_CONTAINER)
"""Names of the containers that run Ray."""
TMP_FOLDER = "/tmp"
"""Where the volume for temporary files is mounted in the pods."""

DRIVER_STARTED = "The driver has started."
"""Line in the log of a driver. The lines after it can contain values of rows, for example those that user code prints."""

RAY_ERRORS = frozenset({
    "NodeDiedError", "WorkerCrashedError", "ActorDiedError", "ActorUnavailableError", "RayActorError", "ObjectLostError",
    "ObjectFetchTimedOutError", "OwnerDiedError", "LocalRayletDiedError", "NodePreemptedError",
})  # fmt: skip
"""Exceptions of Ray about a lost worker. Their messages contain no values of rows."""
MEMORY_ERRORS = frozenset({"OutOfMemoryError", "MemoryError"})
IMPORT_ERRORS = frozenset({"ModuleNotFoundError", "ImportError"})

DASHBOARD_PORT = 8265
"""Port of Ray's dashboard and job API on the head pod."""
METRICS_PORT = 8080
"""Port of Ray's metrics on every pod."""
AGENT_PORT = 52365
"""Port of Ray's dashboard agent on every pod; it answers readiness probes."""

FINAL_ERRORS = {error.exit_code: error.__name__ for error in (InvalidJob, InputError, SinkError, RowsFailed, WorkerDied)}
"""Exit codes for errors in the job, its data or its sink, with the reason shown in conditions. A retry cannot fix them."""
TEMPORARY_ERRORS = {error.exit_code: error.__name__ for error in (StorageUnavailable, SinkBusy, EndpointUnavailable)}
"""Exit codes for errors that a retry can fix, with the reason shown in conditions."""
WORKER_DIED = WorkerDied.exit_code
"""For this final error, the pods of the workers can state the reason."""
OUT_OF_MEMORY = "Out of memory: "
"""Beginning of the message of that error if the workers ran out of memory."""
SINK_ERROR = SinkError.exit_code
"""This final error is retried if the sink has accepted data in the same attempt, which indicates an outage."""
KILLED = frozenset({-9, 137})
"""Exit codes of a process that was killed, usually because it exceeded its memory limit."""
