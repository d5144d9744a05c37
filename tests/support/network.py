"""Evaluates the ingress rules of a NetworkPolicy, as far as the policies of the project use them."""

from typing import Any

Labels = dict[str, str]


def admits(policy: dict[str, Any], port: int, pod: Labels, namespace: Labels, *, same_namespace: bool = False) -> bool:
    """Whether the policy admits connections to a port from a pod with these labels in a namespace with these labels."""
    return any(
        _port(rule, port) and any(_peer(peer, pod, namespace, same_namespace) for peer in rule["from"])
        for rule in policy["spec"]["ingress"]
    )


def _port(rule: dict[str, Any], port: int) -> bool:
    return "ports" not in rule or any(one["port"] == port for one in rule["ports"])


def _peer(peer: dict[str, Any], pod: Labels, namespace: Labels, same_namespace: bool) -> bool:
    assert peer.keys() <= {"podSelector", "namespaceSelector"}
    within = _matches(peer["namespaceSelector"], namespace) if "namespaceSelector" in peer else same_namespace
    return within and _matches(peer.get("podSelector", {}), pod)


def _matches(selector: dict[str, Any], labels: Labels) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()
