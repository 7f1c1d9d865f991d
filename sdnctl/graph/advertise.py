"""Adj-RIB-Out: which local routes go to which BGP peers, and how they look there.

Promise: a route goes to a peer in every family that both can speak, and that the tunnels which the
hypervisor accepts have a use for: VPNv4 and VPNv6 over MPLS, EVPN over VXLAN. A prefix may so go
out twice, with the same attributes. Peers compare the two by BGP's rules and, those equal, prefer
one family by rules of their own (draft-ietf-bess-evpn-ipvpn-interworking section 6 takes EVPN);
both lead to the same hypervisor. Knows nothing of sessions or of the wire: a row has one path, and
the speaker says of it in a family what belongs there.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations import (
    ADVERTISED,
    ATTACHMENT,
    BGP_PEER,
    FAMILY_PEERS,
    HYPERVISOR,
    ORIGINATED,
    Advertised,
)
from sdnctl.routes import IpPrefixRoute, MacIpRoute, Nlri, Path, RouteKey
from sdnctl.types import Encapsulation, Prefix, RouteDistinguisher

EVPN: Final = "l2vpn-evpn"
VPN_FAMILIES: Final = {4: "ipv4-vpn", 6: "ipv6-vpn"}


FAMILIES: Final = (*VPN_FAMILIES.values(), EVPN)


def families_of(nlri: Nlri) -> tuple[str, ...]:
    """The families in which a route can be said: RFC 4364, RFC 4659; RFC 7432, RFC 9136."""
    if isinstance(nlri, IpPrefixRoute):
        return VPN_FAMILIES[nlri.prefix.version], EVPN
    return (EVPN,)


def is_carried(family: str, encapsulations: tuple[Encapsulation, ...]) -> bool:
    """Whether a hypervisor that accepts these tunnels can be reached by a family's routes."""
    if family == EVPN:
        return Encapsulation.VXLAN in encapsulations
    return any(e is not Encapsulation.VXLAN for e in encapsulations)


ANY: Final = ""
"""Stands for every family: whether there are peers at all, which is all that most clouds read."""


def family_peers(family: str, v: View) -> tuple[str, ...] | None:
    """By name; a row of its own, so that what else changes about a peer concerns no route."""
    if family == ANY:
        return (ANY,) if any(v.exists(BGP_PEER, "family", f) for f in FAMILIES) else None
    return tuple(sorted(name for name, _row in v.find(BGP_PEER, "family", family))) or None


def advertised(key: RouteKey, v: View) -> Advertised | None:
    """A route with the tunnels that lead to its hypervisor, and the peers that are told of it.

    A network's pinned encapsulation is for packets between hypervisors: a gateway is offered all
    that the hypervisor accepts (RFC 9012 section 8).
    """
    path = v.get(ORIGINATED, key)
    if path is None:
        return None
    if not v.get(FAMILY_PEERS, ANY):
        return None
    hypervisor = v.get(HYPERVISOR, key.source)
    if hypervisor is None:
        return None
    told: set[str] = set()
    for family in families_of(key.nlri):
        if is_carried(family, hypervisor.encapsulations):
            peers = v.get(FAMILY_PEERS, family)
            told.update(peers or ())
    if not told:
        return None
    return Advertised(_as_said(key, path, hypervisor.encapsulations, v), tuple(sorted(told)))


def _as_said(key: RouteKey, path: Path, encapsulations: tuple[Encapsulation, ...], v: View) -> Path:
    """The path as peers get it. Of a MAC/IP route, with what routing to its address needs.

    That is the VRF's VNI and route targets beside the EVI's, and the router's MAC (symmetric IRB,
    RFC 9135 section 5.1).
    """
    if isinstance(key.nlri, IpPrefixRoute):
        return msgspec.structs.replace(path, encapsulations=encapsulations)
    bridged = msgspec.structs.replace(path, encapsulations=(Encapsulation.VXLAN,))
    host = _host_route(key, v)
    if host is None:
        return bridged
    return msgspec.structs.replace(
        bridged,
        route_targets=tuple(sorted({*path.route_targets, *host.route_targets})),
        l3_vni=host.vni,
        router_mac=host.router_mac,
    )


def _host_route(key: RouteKey, v: View) -> Path | None:
    """The host prefix that the port behind a MAC/IP route originates; None if not routed."""
    nlri = key.nlri
    if not isinstance(nlri, MacIpRoute) or nlri.ip is None:
        return None
    ports = v.find(ATTACHMENT, "route", key)
    if not ports:
        return None
    _port_id, port = min(ports)
    if not port.vrf or nlri.ip not in port.routed:
        return None
    rd = RouteDistinguisher.of(port.vtep, port.vrf_number)
    return v.get(ORIGINATED, RouteKey(key.source, IpPrefixRoute(rd, Prefix.host(nlri.ip))))


RULES: Final = (
    Rule(
        FAMILY_PEERS,
        family_peers,
        (on(BGP_PEER, BGP_PEER.indexes["family"]), on(BGP_PEER, lambda _key, _row: (ANY,))),
    ),
    Rule(ADVERTISED, advertised, (on(ORIGINATED, same_key),)),
)
