"""Which addresses may be contacted: only global ones, so that a request cannot reach the network of the service itself."""

from __future__ import annotations

import ipaddress

_TRANSLATED = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215)
        "2002::/16",  # 6to4 (RFC 3056)
        "::/96",  # IPv4-compatible
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
    )
)
_METADATA = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # metadata of Oracle Cloud; older versions of Python consider it global
        "168.63.129.16/32",  # metadata of Azure
    )
)


def is_public(address: str) -> bool:
    """Whether an address is global. IPv6 addresses that contain an IPv4 address are not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # such as an address with a zone
        return False
    if found.is_multicast or not found.is_global:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _METADATA)
    contains = found.ipv4_mapped is not None or found.teredo is not None or any(found in network for network in _TRANSLATED)
    return not contains and not found.is_site_local
