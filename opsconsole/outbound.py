"""Which addresses the console may connect to when somebody names a host: public ones, and those of an allow-list.

Whoever may name a host could otherwise reach what only this machine can: services on loopback, the local network, the
metadata service of a cloud. The address that a connection really has is what counts, not what a name said before.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network


def may_reach(address: str, networks: Sequence[str]) -> bool:
    """Whether `address` is public, or lies in one of `networks` (CIDR)."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if any(found in ip_network(network, strict=False) for network in networks):
        return True
    return found.is_global and not found.is_multicast
