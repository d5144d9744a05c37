"""Names of what the controller makes, within KubeRay's limits: two DataJobs, or two recipes of one, never share a name.

A *run* is one recipe of one DataJob. Its name ends in a digest of the DataJob's UID and of what shapes its pods, so that
an edited recipe gets objects of its own. Attempts of a run are numbered.
"""

import hashlib
import json
import re
from typing import Any

from datajob.api.spec import DataJobSpec

MAX_RAYJOB = 47  # KubeRay appends a suffix and refuses longer ones
ATTEMPT_DIGITS = 5
DIGEST = 8
_SLUG = MAX_RAYJOB - 1 - DIGEST - 1 - ATTEMPT_DIGITS

_POLICY = {"suspend", "retry", "deadline_seconds", "ttl_seconds_after_finished"}
"""Fields that may change under a running job: they say when it runs, not what it does."""

_RECIPE = {"sources", "steps", "sink", "rejects", "errors"}


def run_name(name: str, uid: str, spec: DataJobSpec) -> str:
    """The common part of the names of a run's objects: a DNS-1035 label, at most 41 characters."""
    return f"{slug(name)}-{_digest(uid, _dump(spec, exclude=_POLICY))}"


def run_id(uid: str, spec: DataJobSpec) -> str:
    """Identifies what a run computes: changes with the recipe and the image, not with its hardware."""
    recipe = {"recipe": _dump(spec, include=_RECIPE), "image": spec.runtime.image}
    return f"{uid}-{_digest(uid, recipe)}"


def rayjob(run: str, attempt: int) -> str:
    """The RayJob of one attempt."""
    return f"{run}-{attempt}"


def job_config(run: str) -> str:
    """The ConfigMap with the job as YAML."""
    return f"{run}-job"


def report_config(run: str) -> str:
    """The ConfigMap into which the job writes its report."""
    return f"{run}-report"


def slug(name: str) -> str:
    """A name as a DNS-1035 label, cut to what fits before digest and attempt."""
    label = re.sub(r"[^a-z0-9-]+", "-", name.lower())
    if not label[:1].isalpha():
        label = f"j-{label}"
    return label[:_SLUG].rstrip("-")


def _dump(spec: DataJobSpec, **which: Any) -> Any:
    # Without defaults: a release that adds a field with a default must not take every running job for a changed one.
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, **which)


def _digest(uid: str, content: Any) -> str:
    canonical = json.dumps([uid, content], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:DIGEST]
