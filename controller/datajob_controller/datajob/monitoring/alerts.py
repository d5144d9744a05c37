"""The alerts of the controller and of DataJobs.

Every expression holds for any number of replicas: the standby exports zeros and no jobs. Alerts about jobs do not depend on
which replica leads.
"""

from datajob_controller.shared.monitoring.alerts import OBJECT, Alert


def _phase(phases: str) -> str:
    """Jobs in some phases, for any reason, as series with the labels `namespace` and `name`."""
    return f'max by (namespace, name) (datajob_phase{{phase=~"{phases}"}})'


ALERTS = (
    Alert(
        "DataJobControllerDown",
        "absent(datajob_leader == 1) or (max by (namespace) (datajob_leader) == 0)",
        5,
        "critical",
        "No controller replica is the leader. DataJobs are neither started nor updated.",
    ),
    Alert(
        "DataJobControllerStuck",
        "(time() - datajob_last_heartbeat_timestamp_seconds > 60) and (datajob_leader == 1)",
        1,
        "critical",
        "The leader does not process its queue.",
        keep_minutes=10,
    ),
    Alert(
        "DataJobReconcileErrors",
        "max by (namespace) (datajob_reconcile_failing) > 0",
        15,
        "warning",
        "The controller repeatedly fails to reconcile {{ $value }} DataJobs.",
    ),
    Alert(
        "DataJobKubeRayMissing",
        "(datajob_kuberay_installed == 0) and (datajob_leader == 1)",
        10,
        "critical",
        "The cluster does not serve RayJobs.",
    ),
    Alert(
        "DataJobNamespaceNotWatched",
        "min by (namespace) (datajob_namespace_watched) == 0",
        10,
        "warning",
        "The controller does not serve the namespace {{ $labels.namespace }}: the namespace or its RoleBinding is missing, or "
        "another controller serves it.",
    ),
    Alert(
        "DataJobFailed",
        f"({_phase('Failed')} == 1) and on (namespace, name) "
        "(time() - max by (namespace, name) (datajob_finished_timestamp_seconds) < 3600)",
        0,
        "warning",
        f"The DataJob {OBJECT} has failed.",
    ),
    Alert(
        "DataJobStalled",
        "max by (namespace, name, reason) (datajob_stalled) == 1",
        2,  # before the job fails because of it, by default after five minutes (setting obstacle_seconds)
        "warning",
        f"The DataJob {OBJECT} requires user action: {{{{ $labels.reason }}}}.",
    ),
    Alert(
        "DataJobStarting",
        f"{_phase('Starting')} == 1",
        30,
        "warning",
        f"The DataJob {OBJECT} has been starting for 30 minutes.",
    ),
    Alert(
        "DataJobNoProgress",
        '(max by (namespace, name) (changes(datajob_shards{state="done"}[15m])) == 0) and on (namespace, name) '
        f"({_phase('Running')} == 1)",
        45,
        "warning",
        f"The DataJob {OBJECT} is running but has not committed a shard for 45 minutes.",
    ),
)
