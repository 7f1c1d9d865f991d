"""Which router can do what: every kind of route there is, and the reason wherever one is absent.

Found by running them; ``test_bgp_families`` runs all that is not listed as absent, and shows of
what is absent that the router does not negotiate the family.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from sdnctl.bgp.peer import Family
from sdnctl.routes import InclusiveMulticastRoute, IpPrefixRoute, MacIpRoute, Nlri, Path
from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni
from tests.interop.base import L2_VNI, L3_VNI, ROUTER_MAC, Router

RD = RouteDistinguisher.parse("10.0.0.1:7")
THEIR_RD = RouteDistinguisher.parse("64512:1")

MPLS = Path(
    next_hop=Ip.parse("10.0.0.1"),
    route_targets=(RouteTarget.parse("64512:7"), RouteTarget.parse("10.9.9.9:3")),
    encapsulations=(Encapsulation.MPLS_GRE, Encapsulation.MPLS_UDP),
    label=Label(1000),
)
# BIRD reads ::ffff:10.0.0.1 as an IPv4 next hop and refuses it (test_bgp_sessions has that form).
MPLS6 = msgspec.structs.replace(MPLS, next_hop=Ip.parse("2001:db8:ffff::1"))
VXLAN = msgspec.structs.replace(
    MPLS, encapsulations=(Encapsulation.VXLAN,), label=Label(0), vni=Vni(0xABCDE1)
)


class Case(NamedTuple):
    """A kind of route: one that the speaker announces."""

    name: str
    family: Family
    nlri: Nlri
    path: Path

    def __str__(self) -> str:
        return self.name


MAC, THEIR_MAC = Mac.parse("fa:16:3e:00:00:01"), Mac.parse("fa:16:3e:00:00:02")
CASES = (
    Case("vpnv4", Family.IPV4_VPN, IpPrefixRoute(RD, Prefix.parse("10.1.0.5/32")), MPLS),
    Case("vpnv6", Family.IPV6_VPN, IpPrefixRoute(RD, Prefix.parse("2001:db8:1::/64")), MPLS6),
    Case("mac", Family.EVPN, MacIpRoute(RD, MAC, None), VXLAN),
    Case("mac-ip", Family.EVPN, MacIpRoute(RD, MAC, Ip.parse("10.1.0.5")), VXLAN),
    Case("mac-ipv6", Family.EVPN, MacIpRoute(RD, MAC, Ip.parse("2001:db8:1::5")), VXLAN),
    Case("multicast", Family.EVPN, InclusiveMulticastRoute(RD, Ip.parse("10.0.0.1")), VXLAN),
    Case("prefix", Family.EVPN, IpPrefixRoute(RD, Prefix.parse("10.2.0.0/24")),
         msgspec.structs.replace(VXLAN, router_mac=Mac.parse("02:00:00:00:00:09"))),
    Case("prefix6", Family.EVPN, IpPrefixRoute(RD, Prefix.parse("2001:db8:2::/64")),
         msgspec.structs.replace(VXLAN, router_mac=Mac.parse("02:00:00:00:00:09"))),
)  # fmt: skip

ABSENT = {
    ("bird", Family.EVPN): "BIRD 2 has no EVPN",
    ("bird", Family.ROUTE_TARGET): "BIRD 2 has no route target constraint",
    ("frr", Family.ROUTE_TARGET): "FRR 8.4 has no route target constraint",
}
"""Families that a router does not speak, and why."""

BLIND = {
    ("frr", "multicast"): {"label": "FRR 8.4 compares attributes without the label of a PMSI"},
}
"""Changes that a router overlooks, and why."""

FIXED = {
    ("frr", Family.IPV4_VPN): {"label": "a network keeps its first label as long as it is there"},
    ("frr", Family.IPV6_VPN): {"label": "a network keeps its first label as long as it is there"},
    ("frr", Family.EVPN): {
        "label": "the VNI is its VXLAN device's; another VNI is another device",
        "next_hop": "the next hop is its VXLAN device's local address",
    },
}
"""What a router that originates a route cannot change about it, and why."""


_PANIC = "GoBGP 3.10 with a MAC of its own panics in handleMacMobility when a peer restarts"
FRAGILE = {("gobgp", "mac"): _PANIC, ("gobgp", "mac-ip"): _PANIC, ("gobgp", "mac-ipv6"): _PANIC}
"""What a router cannot have originated when its peer restarts, and why."""


def theirs(case: Case, router: Router) -> tuple[Nlri, Path]:
    """The same kind of route, as ``router`` can originate it."""
    address = Ip.parse(router.address)
    match case.nlri:
        case InclusiveMulticastRoute():
            nlri: Nlri = InclusiveMulticastRoute(THEIR_RD, address)
        case MacIpRoute(_, _, ip):
            nlri = MacIpRoute(THEIR_RD, THEIR_MAC, ip)
        case IpPrefixRoute(_, prefix):
            nlri = IpPrefixRoute(THEIR_RD, prefix)
        case membership:
            raise AssertionError(f"{membership} is nobody's")
    if case.family is not Family.EVPN:
        hop = address if case.family is Family.IPV4_VPN else case.path.next_hop
        gre = (Encapsulation.MPLS_GRE,)
        return nlri, msgspec.structs.replace(case.path, next_hop=hop, encapsulations=gre)
    routed = isinstance(nlri, IpPrefixRoute)
    return nlri, msgspec.structs.replace(
        case.path,
        next_hop=address,
        vni=L3_VNI if routed else L2_VNI,
        router_mac=ROUTER_MAC if routed else None,
    )
