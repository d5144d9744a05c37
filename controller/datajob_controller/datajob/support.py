"""The objects of a run that must exist before its pods."""

from collections.abc import Container

from datajob_controller.datajob.names import job_config, report_config
from datajob_controller.datajob.objects.configmaps import job_configmap, report_configmap
from datajob_controller.datajob.objects.networkpolicy import network_policy
from datajob_controller.datajob.objects.rbac import role, role_binding, service_account, service_account_name
from datajob_controller.datajob.run import Run
from datajob_controller.datajob.settings import JobSettings
from datajob_controller.runtime.manifests import Manifest


def support_objects(datajob: Manifest, run: Run, settings: JobSettings, existing: Container[str]) -> list[Manifest]:
    """All of them; `existing` contains the names of the ConfigMaps that exist."""
    account = service_account_name(run.spec, run.name)
    return [
        *config_maps(datajob, run, existing),
        *([service_account(datajob, run.name)] if account == run.name else []),
        role(datajob, run.name),
        role_binding(datajob, run.name, account),
        *([network_policy(datajob, run.name, settings)] if settings.network_policy else []),
    ]


def config_maps(datajob: Manifest, run: Run, existing: Container[str]) -> list[Manifest]:
    """The ConfigMaps that do not exist yet."""
    made = {job_config(run.name): job_configmap, report_config(run.name): report_configmap}
    if not run.accepted:  # the spec of the run is no longer stored
        del made[job_config(run.name)]
    return [build(datajob, run.name) for name, build in made.items() if name not in existing]
