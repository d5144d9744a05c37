"""Whether requests reach a service through its HTTPRoute."""

from datajob_controller.runtime.types import Observed
from datajob_controller.shared.text import sentence

_CONDITIONS = ("Accepted", "ResolvedRefs")
"""Conditions that a Gateway sets on an HTTPRoute."""


def route_problem(observed: Observed, name: str) -> tuple[str, str] | None:
    """Reason and message, if a user must act. A Gateway that sets no status is not reported."""
    if "HTTPRoute" in observed.unserved:
        fix = "Install the Gateway API, or remove spec.route."
        return "GatewayAPIMissing", f"The cluster does not serve HTTPRoutes (gateway.networking.k8s.io/v1). {fix}"
    status = observed.of("HTTPRoute").get(name, {}).get("status") or {}
    for parent in status.get("parents") or ():
        for one in parent.get("conditions") or ():
            if one.get("type") in _CONDITIONS and one.get("status") == "False":
                gateway = (parent.get("parentRef") or {}).get("name", "")
                message = sentence(
                    f"The Gateway {gateway} does not accept the HTTPRoute: {one.get('message') or one.get('reason')}"
                )
                return "RouteNotAccepted", f"{message} Correct spec.route, or the listeners of the Gateway."
    return None
