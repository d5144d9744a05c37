"""Names of the objects that belong to a DataJob, within KubeRay's limits.

Neither two DataJobs nor two runs of the same DataJob share a name. The name of a run ends with a digest of the UID of the
DataJob and of everything that shapes its pods, so an edit results in new objects. Attempts of a run are numbered.
"""

import hashlib
import json
import re
from typing import Any

from datajob.api.lifecycle import lifecycle_fields
from datajob.api.spec import DataJobSpec

MAX_RAYJOB = 47  # KubeRay appends a suffix and refuses longer ones
ATTEMPT_DIGITS = 5
DIGEST = 8
PUBLIC_DIGEST = 32
_SLUG = MAX_RAYJOB - 1 - DIGEST - 1 - ATTEMPT_DIGITS

RESULT_FIELDS = {"sources", "steps", "sink", "rejects", "errors", "restart"}
"""Fields that start a new run when they change, even after the job is complete; so does the image."""
_CONFIG_SUFFIXES = ("-job", "-report")


def run_name(name: str, uid: str, spec: DataJobSpec) -> str:
    """The common part of the names of a run's objects: a DNS-1035 label of at most 41 characters."""
    return f"{slug(name)}-{_digest(uid, _dump(spec, exclude=set(lifecycle_fields(DataJobSpec))))}"


def run_id(uid: str, spec: DataJobSpec) -> str:
    """Identifies what a run computes: changes with the data, the steps and the image, but not with the hardware."""
    # The digest includes the key `recipe`: renaming it would run all complete jobs again.
    computed = {"recipe": _dump(spec, include=RESULT_FIELDS), "image": spec.runtime.image}
    return f"{uid}-{_digest(uid, computed)}"


def public_run_id(identity: str) -> str:
    """The form of a run's identity that the workload writes next to the data, whose readers must not learn the UID."""
    return hashlib.sha256(identity.encode()).hexdigest()[:PUBLIC_DIGEST]


def public_job_id(uid: str) -> str:
    """The form of a DataJob's UID that the workload writes next to the data."""
    return public_run_id(f"job {uid}")


def rayjob(run: str, attempt: int) -> str:
    """The RayJob of one attempt."""
    return f"{run}-{attempt}"


def job_config(run: str) -> str:
    """The ConfigMap that contains the job as YAML."""
    return f"{run}-job"


def report_config(run: str) -> str:
    """The ConfigMap that the driver writes its report to."""
    return f"{run}-report"


def run_of_rayjob(name: str) -> str:
    """The run that a RayJob belongs to; the inverse of `rayjob`."""
    return name.rpartition("-")[0]


def run_of_config(name: str) -> str | None:
    """The run that a ConfigMap belongs to; the inverse of `job_config` and `report_config`, None for other names."""
    return next((name.removesuffix(suffix) for suffix in _CONFIG_SUFFIXES if name.endswith(suffix)), None)


def is_config_of(name: str, config: str) -> bool:
    """Whether a ConfigMap has a name that the controller gives to those of the DataJob `name`."""
    return bool((run := run_of_config(config)) and _is_run_of(name, run))


def is_rayjob_of(name: str, ray_job: str) -> bool:
    """Whether a RayJob has a name that the controller gives to those of the DataJob `name`."""
    run, _, attempt = ray_job.rpartition("-")
    return attempt.isdecimal() and _is_run_of(name, run)


def is_cluster_of(name: str, cluster: str) -> bool:
    """Whether a RayCluster has a name that KubeRay derives from those of the RayJobs of the DataJob `name`."""
    return bool(re.match(rf"{re.escape(slug(name))}-[0-9a-f]{{{DIGEST}}}-\d+-", cluster))


def _is_run_of(name: str, run: str) -> bool:
    return bool(re.fullmatch(rf"{re.escape(slug(name))}-[0-9a-f]{{{DIGEST}}}", run))


def slug(name: str) -> str:
    """A name as a DNS-1035 label, truncated to leave space for digest and attempt."""
    label = re.sub(r"[^a-z0-9-]+", "-", name.lower())
    if not label[:1].isalpha():
        label = f"j-{label}"
    return label[:_SLUG].rstrip("-")


def _dump(spec: DataJobSpec, **which: Any) -> Any:
    # Defaults are excluded: a release that adds a field with a default must not change the names of all running jobs.
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, **which)


def _digest(uid: str, content: Any) -> str:
    canonical = json.dumps([uid, content], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST]
