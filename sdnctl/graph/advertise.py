"""Adj-RIB-Out: which local routes go to which BGP peers, and how they look there.

Promise: a route goes to a peer in every family that both can speak, and that the tunnels which the
hypervisor accepts have a use for: VPNv4 and VPNv6 over MPLS, EVPN over VXLAN. A prefix may so go
out twice, with the same attributes. Peers compare the two by BGP's rules and, those equal, prefer
one family by rules of their own (draft-ietf-bess-evpn-ipvpn-interworking section 6 takes EVPN);
both lead to the same hypervisor. Peers with the ``route-target`` family get what they asked for
(RFC 4684), the others everything. Knows nothing of sessions or of the wire: a row has one path, and
the speaker says of it in a family what belongs there.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from sdnctl.graph import constraint
from sdnctl.graph.attachments import routing_of
from sdnctl.graph.constraint import ROUTE_TARGET
from sdnctl.graph.engine import Rule, View, on, same_key
from sdnctl.graph.relations.attachments import ATTACHMENT
from sdnctl.graph.relations.inputs import BGP_PEER, HYPERVISOR
from sdnctl.graph.relations.instances import EVI_INSTANCE
from sdnctl.graph.relations.resources import EVI_MEMBER
from sdnctl.graph.relations.routes import (
    ADVERTISED,
    FAMILY_PEERS,
    IMPORTED,
    IRB_ROUTES,
    ORIGINATED,
    PREFIX_TAKEN,
    WANTED,
    WANTING_PEERS,
    Advertised,
    FamilyPeers,
)
from sdnctl.graph.rib import contested
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
    RouteKey,
)
from sdnctl.types import Encapsulation, Ip, Prefix, RouteDistinguisher, Vni

EVPN: Final = "l2vpn-evpn"
VPN_FAMILIES: Final = {4: "ipv4-vpn", 6: "ipv6-vpn"}
_PREFIX_FAMILIES: Final = {version: (family, EVPN) for version, family in VPN_FAMILIES.items()}


def families_of(nlri: Nlri) -> tuple[str, ...]:
    """The families in which a route can be said: RFC 4364, RFC 4659; RFC 7432, RFC 9136."""
    if isinstance(nlri, MembershipRoute):
        return (ROUTE_TARGET,)
    if isinstance(nlri, IpPrefixRoute):
        return _PREFIX_FAMILIES[nlri.prefix.version]
    return (EVPN,)


@functools.cache  # asked of every route, with few answers
def is_carried(family: str, encapsulations: tuple[Encapsulation, ...]) -> bool:
    """Whether a hypervisor that accepts these tunnels can be reached by a family's routes."""
    if family == EVPN:
        return Encapsulation.VXLAN in encapsulations
    return any(e is not Encapsulation.VXLAN for e in encapsulations)


SELF: Final = ""
"""The source of routes that no hypervisor originates."""

_OUR_MEMBERSHIP: Final = Path(next_hop=Ip(bytes(4)), route_targets=(), encapsulations=())
"""Memberships have no tunnel; the session puts its own address for the next hop."""


def family_peers(family: str, v: View) -> FamilyPeers | None:
    """By name; a row of its own, so that what else changes about a peer concerns no route."""
    found = sorted(v.find(BGP_PEER, "family", family))
    if not found:
        return None
    constrained = tuple(name for name, row in found if ROUTE_TARGET in row.families)
    return FamilyPeers(tuple(name for name, _row in found if name not in constrained), constrained)


def prefix_taken(version: int, v: View) -> bool | None:
    """A row for two families, as a route is said in both; which peers there are is none of it."""
    families = _PREFIX_FAMILIES[version]
    return any(v.exists(BGP_PEER, "family", family) for family in families) or None


def _is_taken(nlri: Nlri, v: View) -> bool:
    """Whether any peer speaks a family of the route: all that is read of one where none does.

    A peer that comes or goes with other families does not concern it.
    """
    if isinstance(nlri, IpPrefixRoute):
        return v.get(PREFIX_TAKEN, nlri.prefix.version) is not None
    return v.get(FAMILY_PEERS, EVPN) is not None


def irb_routes(key: tuple[Vni, str], v: View) -> dict[RouteKey, Path] | None:
    """The router's addresses on a network, for peers that stretch it (RFC 7432 section 10.1).

    Every member is the gateway (anycast), so a host behind a peer sends to one of them; without
    these routes the peer would flood what is sent to the gateway, and every member would route it.
    Among our own, each hypervisor answers for the gateway itself.
    """
    vni, host = key
    if v.get(EVI_MEMBER, key) is None or v.get(FAMILY_PEERS, EVPN) is None:
        return None
    hypervisor = v.get(HYPERVISOR, host)
    _vrf, interfaces = routing_of(v, vni)
    evi = v.get(EVI_INSTANCE, interfaces[0].network_id) if interfaces else None
    if hypervisor is None or evi is None or hypervisor.vtep.version != 4:
        return None
    rd = RouteDistinguisher.of(hypervisor.vtep, evi.number)
    member = v.get(ORIGINATED, RouteKey(host, InclusiveMulticastRoute(rd, hypervisor.vtep)))
    if member is None:
        return None
    path = msgspec.structs.replace(member, default_gateway=True)
    return {
        RouteKey(host, MacIpRoute(rd, row.mac, ip)): path
        for row in interfaces
        for ip, _length in row.addresses
    }


def advertised(key: RouteKey, v: View) -> Advertised | None:
    """A route with the tunnels that lead to its hypervisor, and the peers that are told of it.

    A network's pinned encapsulation is for packets between hypervisors: a gateway is offered all
    that the hypervisor accepts (RFC 9012 section 8).
    """
    if isinstance(key.nlri, MembershipRoute):
        return _our_membership(key.nlri, v)
    path = v.get(ORIGINATED, key) or of_router(key, v)
    if path is None or not _is_taken(key.nlri, v):
        return None
    hypervisor = v.get(HYPERVISOR, key.source)
    if hypervisor is None:
        return None
    told: set[str] = set()
    constrained: set[str] = set()
    for family in families_of(key.nlri):
        if is_carried(family, hypervisor.encapsulations):
            peers = v.get(FAMILY_PEERS, family)
            if peers is not None:
                told.update(peers.free)
                constrained.update(peers.constrained)
    if not told and not constrained:
        return None
    said = _as_said(key, path, hypervisor.encapsulations, v)
    if constrained:
        for target in said.route_targets:
            wanting = v.get(WANTING_PEERS, target)
            told.update(constrained.intersection(wanting or ()))
    return Advertised(said, tuple(sorted(told))) if told else None


def of_router(key: RouteKey, v: View) -> Path | None:
    """The path of a route that the router itself has on a network; None if it is no such route."""
    found = v.find(IRB_ROUTES, "route", key)
    return found[0][1][key] if found else None


def _our_membership(nlri: MembershipRoute, v: View) -> Advertised | None:
    """What we import is asked for of all peers that take such questions (RFC 4684)."""
    if nlri.target is None or v.get(WANTED, nlri.target) != nlri:
        return None
    peers = v.get(FAMILY_PEERS, ROUTE_TARGET)
    return Advertised(_OUR_MEMBERSHIP, peers.constrained) if peers is not None else None


def _as_said(key: RouteKey, path: Path, encapsulations: tuple[Encapsulation, ...], v: View) -> Path:
    """The path as peers get it. Of a MAC/IP route, with what routing to its address needs.

    That is the VRF's VNI and route targets beside the EVI's, and the router's MAC (symmetric IRB,
    RFC 9135 section 5.1).
    """
    if isinstance(key.nlri, IpPrefixRoute):
        if path.encapsulations == encapsulations:
            return path  # as nearly always: one for all routes of a VRF on a hypervisor
        return msgspec.structs.replace(path, encapsulations=encapsulations)
    bridged = msgspec.structs.replace(path, encapsulations=(Encapsulation.VXLAN,))
    if isinstance(key.nlri, MacIpRoute):
        claims = contested(v.find(IMPORTED, "mac", (path.vni, key.nlri.mac)))
        sequence = next((row.path.sequence for other, row in claims if other == key), path.sequence)
        bridged = msgspec.structs.replace(bridged, sequence=sequence)
    host = _host_route(key, v)
    if host is None:
        return bridged
    return msgspec.structs.replace(
        bridged,
        route_targets=tuple(sorted({*path.route_targets, *host.route_targets})),
        local_preference=max(path.local_preference, host.local_preference),
        communities=tuple(sorted({*path.communities, *host.communities})),
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
    Rule(FAMILY_PEERS, family_peers, (on(BGP_PEER, BGP_PEER.indexes["family"]),)),
    Rule(PREFIX_TAKEN, prefix_taken, (on(BGP_PEER, lambda _key, _row: tuple(_PREFIX_FAMILIES)),)),
    Rule(IRB_ROUTES, irb_routes, (on(EVI_MEMBER, same_key),)),
    *constraint.RULES,
    Rule(
        ADVERTISED,
        advertised,
        (
            on(ORIGINATED, same_key),
            on(IRB_ROUTES, IRB_ROUTES.indexes["route"]),
            on(WANTED, lambda _target, row: (RouteKey(SELF, row),)),
        ),
    ),
)
