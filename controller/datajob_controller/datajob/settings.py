"""The settings of DataJobs."""

from typing import Literal, Self

from pydantic import Field, model_validator

from datajob.api.pod_rules import annotation_problems, label_problems
from datajob_controller.shared.settings import PodSettings


class JobSettings(PodSettings):
    """Everything that an administrator can set for DataJobs."""

    submission_mode: Literal["HTTPMode", "K8sJobMode", "SidecarMode"] = Field(
        default="HTTPMode", description="How KubeRay submits the job."
    )
    show_row_contents: bool = Field(
        default=False,
        description="Show values of failed rows in the status and Events of a job and in the log of its driver. "
        "Everyone with permission to read DataJobs or Events can then read these values.",
    )
    ray_job_labels: dict[str, str] = Field(default={}, description="Labels of the RayJobs of all jobs.")
    ray_job_annotations: dict[str, str] = Field(default={}, description="Annotations of the RayJobs of all jobs.")
    crash_limit: int = Field(
        default=3,
        ge=1,
        description="Number of workers of a group whose termination during startup fails the attempt, unless at least as many "
        "are ready. While the driver runs, the number is doubled.",
    )
    max_disruptions: int = Field(
        default=20,
        ge=0,
        description="Maximum number of retries of a run after a drain, a preemption or an eviction of its head pod, in "
        "addition to `retry.limit`.",
    )
    job_metrics: Literal["none", "jobs", "steps"] = Field(
        default="steps",
        description="Detail of the metrics. `none`: no series for single jobs. `jobs`: about 14 series per job. `steps`: in "
        "addition, series for each step of the jobs that have not finished.",
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        ge=0,
        description="Seconds after their end at which DataJobs without `ttlSecondsAfterFinished` are deleted; "
        "by default, they are kept.",
    )
    max_backoff_seconds: int = Field(
        default=600,
        ge=1,
        description="Maximum delay before a retry, in seconds. It also limits `retry.backoffSeconds`; the Event of the retry "
        "states that.",
    )

    @model_validator(mode="after")
    def _labels_of_users(self) -> Self:
        found = [
            *label_problems(self.ray_job_labels, ("ray_job_labels",), of_ray_job=True),
            *annotation_problems(self.ray_job_annotations, ("ray_job_annotations",), of_ray_job=True),
        ]
        if found:
            raise ValueError("; ".join(map(str, found)))
        return self
