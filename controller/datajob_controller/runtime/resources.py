"""API resources: the address of each kind of object at the API server."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """A namespaced API resource."""

    kind: str
    group: str
    """API group; empty for the core group."""
    version: str
    plural: str
    optional: bool = False
    """Whether the controller works without it, because only some objects need it."""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def base(self) -> str:
        """The URL path of its API group and version."""
        return f"apis/{self.api_version}" if self.group else f"api/{self.version}"


CONFIG_MAP = Resource("ConfigMap", "", "v1", "configmaps")
POD = Resource("Pod", "", "v1", "pods")
SERVICE = Resource("Service", "", "v1", "services")
BUILTIN = (
    CONFIG_MAP,
    POD,
    SERVICE,
    Resource("ServiceAccount", "", "v1", "serviceaccounts"),
    Resource("Event", "", "v1", "events"),
    Resource("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    Resource("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
    Resource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    Resource("Lease", "coordination.k8s.io", "v1", "leases"),
)
"""Resources that every API server serves and that the runtime or a kind may use."""
