"""The routes of EVPN and L3VPN, as the graph and BGP both speak them.

Promise: an NLRI is a key, a ``Path`` is what is said about it; two equal routes are equal
values whatever brought them. Originated by a local port or learned from a peer makes no
difference but in ``Path.source``. Knows nothing of wire formats: that is bgp's codec.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple, TypeVar

import msgspec

from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, RouteDistinguisher, RouteTarget, Vni


class MacIpRoute(NamedTuple):
    """EVPN type 2 (RFC 7432 section 7.2): a MAC address, with or without an IP address."""

    rd: RouteDistinguisher
    mac: Mac
    ip: Ip | None


class InclusiveMulticastRoute(NamedTuple):
    """EVPN type 3 (RFC 7432 section 7.3): ``originator`` wants the EVI's flooded frames."""

    rd: RouteDistinguisher
    originator: Ip


class IpPrefixRoute(NamedTuple):
    """A prefix of a VRF: EVPN type 5 (RFC 9136) or VPNv4/VPNv6 (RFC 4364, RFC 4659)."""

    rd: RouteDistinguisher
    prefix: Prefix


class MembershipRoute(NamedTuple):
    """Route target membership (RFC 4684 section 4): AS ``asn`` wants what carries ``target``.

    ``target`` None is the default route target: everything is wanted. ``length`` is that of the
    target's prefix in bits, 64 for the whole of it.
    """

    asn: int
    target: RouteTarget | None
    length: int = 64


Nlri = MacIpRoute | InclusiveMulticastRoute | IpPrefixRoute | MembershipRoute


def rd_of(nlri: Nlri) -> bytes:
    """The route distinguisher; empty for a membership, which has none."""
    return b"" if isinstance(nlri, MembershipRoute) else nlri.rd


class RouteKey(NamedTuple):
    """Who said it, and what about: ``source`` is a hypervisor's id or a BGP peer's.

    ``path_id`` tells apart the paths that one peer gives to one prefix (RFC 7911); 0 if it
    gives one.
    """

    source: str
    nlri: Nlri
    path_id: int = 0


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of one route.

    ``label`` is for MPLS encapsulations and ``vni`` for VXLAN; 0 where the route has none.
    ``l3_vni`` is the second label of a MAC/IP route (RFC 9135 section 5): the VNI of the VRF, for
    packets that are routed to its address; 0 where the address is bridged to only.
    ``encapsulations`` are those that ``next_hop`` accepts (RFC 9012); empty means plain MPLS.
    ``peer`` is True if it came by BGP; then ``as_path``, ``origin`` (0 IGP, 1 EGP,
    2 incomplete), ``med`` and ``ebgp`` decide as RFC 4271 section 9.1 says.
    ``sequence`` is that of MAC mobility (RFC 7432 section 7.7), ``sticky`` its static flag.
    ``communities`` are those of RFC 1997, sorted. ``default_gateway`` is the extended community
    of RFC 7432 section 7.8. ``stale`` is a path kept by graceful or long-lived graceful restart
    (RFC 9494 section 4.3: the least preferred there is).
    """

    next_hop: Ip
    route_targets: tuple[RouteTarget, ...]
    encapsulations: tuple[Encapsulation, ...]
    label: Label = Label(0)
    vni: Vni = Vni(0)
    l3_vni: Vni = Vni(0)
    router_mac: Mac | None = None
    local_preference: int = 100
    as_path: tuple[int, ...] = ()
    origin: int = 0
    med: int = 0
    peer: bool = False
    ebgp: bool = False
    router_id: Ip | None = None
    sequence: int = 0
    sticky: bool = False
    communities: tuple[int, ...] = ()
    default_gateway: bool = False
    stale: bool = False


K = TypeVar("K", bound=Hashable)
P = TypeVar("P", Path, Path | None)


def by_path(routes: Iterable[tuple[K, P]]) -> list[tuple[K, P]]:
    """In an order in which those of one path follow each other, as one UPDATE says them."""
    groups: dict[P, list[tuple[K, P]]] = {}
    for route in routes:
        groups.setdefault(route[1], []).append(route)
    return [route for group in groups.values() for route in group]
