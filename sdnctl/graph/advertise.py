"""Adj-RIB-Out: which local routes go to which BGP peers, and how they look there."""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.graph.engine import Rule, View, on
from sdnctl.graph.relations import (
    ADVERTISED,
    BGP_PEER,
    FAMILY_PEERS,
    HYPERVISOR,
    ORIGINATED,
    Advertised,
    Export,
)
from sdnctl.routes import IpPrefixRoute, RouteKey
from sdnctl.types import Encapsulation

VPN_FAMILIES: Final = {4: "ipv4-vpn", 6: "ipv6-vpn"}


def exports_of(route: RouteKey) -> tuple[Export, ...]:
    """The families in which a route can be said: VPNv4 (RFC 4364) or VPNv6 (RFC 4659)."""
    nlri = route.nlri
    if not isinstance(nlri, IpPrefixRoute):
        return ()
    return (Export(VPN_FAMILIES[nlri.prefix.version], route),)


def family_peers(family: str, v: View) -> tuple[str, ...] | None:
    """By name; a row of its own, so that what else changes about a peer concerns no route."""
    return tuple(sorted(name for name, _row in v.find(BGP_PEER, "family", family))) or None


def advertised(key: Export, v: View) -> Advertised | None:
    """A route with the tunnels that its family can use, for all peers of the family.

    A network's pinned encapsulation is for packets between hypervisors: towards a gateway, a
    labelled route offers every MPLS tunnel that the hypervisor accepts (RFC 9012 section 8).
    """
    path = v.get(ORIGINATED, key.route)
    hypervisor = v.get(HYPERVISOR, key.route.source)
    if path is None or hypervisor is None:
        return None
    peers = v.get(FAMILY_PEERS, key.family)
    tunnels = tuple(e for e in hypervisor.encapsulations if e != Encapsulation.VXLAN)
    if not peers or not tunnels:
        return None
    return Advertised(msgspec.structs.replace(path, encapsulations=tunnels), peers)


RULES: Final = (
    Rule(FAMILY_PEERS, family_peers, (on(BGP_PEER, BGP_PEER.indexes["family"]),)),
    Rule(ADVERTISED, advertised, (on(ORIGINATED, lambda key, _row: exports_of(key)),)),
)
