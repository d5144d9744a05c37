"""What the pods of an attempt have in common."""

from datajob.api.contract import (
    ENV_ATTEMPT,
    ENV_JOB_ID,
    ENV_NAMESPACE,
    ENV_REPORT_CONFIGMAP,
    ENV_RUN_ID,
    ENV_SHOW_ROWS,
    JOB_FOLDER,
    LABEL_ATTEMPT,
)
from datajob.api.spec import DataJobSpec
from datajob_controller.datajob.names import job_config, public_job_id, report_config
from datajob_controller.datajob.objects.rbac import service_account_name
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest
from datajob_controller.shared.objects.pods import Context

JOB_VOLUME = "datajob-job"


def pod_context(datajob: Manifest, spec: DataJobSpec, settings: JobSettings, run: str, attempt: int, run_id: str) -> Context:
    """The context of the pods of an attempt."""
    variables = {
        ENV_RUN_ID: run_id,
        ENV_JOB_ID: public_job_id(datajob["metadata"]["uid"]),
        ENV_ATTEMPT: str(attempt),
        ENV_SHOW_ROWS: str(settings.show_row_contents).lower(),
        ENV_NAMESPACE: datajob["metadata"]["namespace"],
        ENV_REPORT_CONFIGMAP: report_config(run),
    }
    volume = {"name": JOB_VOLUME, "configMap": {"name": job_config(run)}}
    mount = {"name": JOB_VOLUME, "mountPath": JOB_FOLDER, "readOnly": True}
    own_labels = {LABEL_ATTEMPT: str(attempt)}
    account = service_account_name(spec, run)
    return Context(datajob, spec.runtime, settings, account, variables, own_labels, ((volume, mount),))
