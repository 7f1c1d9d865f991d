"""The routes of EVPN and L3VPN, as the graph and BGP both speak them.

Promise: an NLRI is a key, a ``Path`` is what is said about it; two equal routes are equal
values whatever brought them. Originated by a local port or learned from a peer makes no
difference but in ``Path.source``. Knows nothing of wire formats: that is bgp's codec.
"""

from __future__ import annotations

from typing import NamedTuple

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


Nlri = MacIpRoute | InclusiveMulticastRoute | IpPrefixRoute


class RouteKey(NamedTuple):
    """Who said it, and what about: ``source`` is a hypervisor's id or a BGP peer's."""

    source: str
    nlri: Nlri


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes of one route.

    ``label`` is for MPLS encapsulations and ``vni`` for VXLAN; 0 where the route has none.
    ``encapsulations`` are those that ``next_hop`` accepts (RFC 9012); empty means plain MPLS.
    ``peer`` is True if it came by BGP; then ``as_path``, ``origin`` (0 IGP, 1 EGP,
    2 incomplete), ``med`` and ``ebgp`` decide as RFC 4271 section 9.1 says.
    ``sequence`` is that of MAC mobility (RFC 7432 section 7.7), ``sticky`` its static flag.
    """

    next_hop: Ip
    route_targets: tuple[RouteTarget, ...]
    encapsulations: tuple[Encapsulation, ...]
    label: Label = Label(0)
    vni: Vni = Vni(0)
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
