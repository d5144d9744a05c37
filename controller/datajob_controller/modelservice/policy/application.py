"""What KubeRay reports about a service: its Ray clusters, and the application of Ray Serve in each of them."""

from dataclasses import dataclass, field

from datajob_controller.runtime.manifests import Manifest

FAILED = "DEPLOY_FAILED"
RUNNING = "RUNNING"
UNHEALTHY = "UNHEALTHY"
HEALTHY = "HEALTHY"


@dataclass(frozen=True)
class Application:
    """The application in one Ray cluster."""

    cluster: str = ""
    """Name of the Ray cluster; empty if there is none."""
    status: str = ""
    """NOT_STARTED, DEPLOYING, RUNNING, DEPLOY_FAILED, DELETING or UNHEALTHY; empty while it is unknown."""
    message: str = ""
    deployments: dict[str, str] = field(default_factory=dict)
    """The status of each deployment: UPDATING, HEALTHY, UNHEALTHY, UPSCALING, DOWNSCALING or DEPLOY_FAILED."""

    @property
    def settled(self) -> bool:
        """Whether all replicas that should run do."""
        return self.status == RUNNING and all(status == HEALTHY for status in self.deployments.values())


def active(ray_service: Manifest) -> Application:
    """The application in the cluster that receives requests."""
    return _application(ray_service, "activeServiceStatus")


def pending(ray_service: Manifest) -> Application:
    """The application in the cluster that will receive requests when it is ready."""
    return _application(ray_service, "pendingServiceStatus")


def newest(ray_service: Manifest) -> Application:
    """The application with the last configuration."""
    new = pending(ray_service)
    return new if new.cluster else active(ray_service)


def invalid(ray_service: Manifest) -> str:
    """Why KubeRay refuses a RayService; empty if it does not."""
    for condition in ray_service.get("status", {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("reason") in ("ValidationFailed", "InitializingTimeout"):
            return str(condition.get("message") or condition["reason"])
    return ""


def _application(ray_service: Manifest, key: str) -> Application:
    status = ray_service.get("status", {}).get(key) or {}
    found: Manifest = (status.get("applicationStatuses") or {}).get(ray_service["metadata"]["name"]) or {}
    deployments = found.get("serveDeploymentStatuses") or {}
    messages = [str(found.get("message") or ""), *(str(one.get("message") or "") for one in deployments.values())]
    return Application(
        cluster=str(status.get("rayClusterName") or ""),
        status=str(found.get("status") or ""),
        message="\n".join(dict.fromkeys(filter(None, messages))),
        deployments={name: str(one.get("status") or "") for name, one in deployments.items()},
    )
