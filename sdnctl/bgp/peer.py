"""A BGP peer as it is configured, and a session as it is: plain values.

Promise: printing a ``Peer`` never shows its password. Knows nothing of ExaBGP or the wire.
"""

from __future__ import annotations

import enum

import msgspec

from sdnctl.routes import InclusiveMulticastRoute, MacIpRoute, MembershipRoute, Nlri, Path
from sdnctl.types import IPV4_BYTES, Encapsulation, Ip


class Family(enum.StrEnum):
    """VPN routes (RFC 4364, RFC 4659, RFC 7432), and who wants which of them (RFC 4684)."""

    IPV4_VPN = "ipv4-vpn"
    IPV6_VPN = "ipv6-vpn"
    EVPN = "l2vpn-evpn"
    ROUTE_TARGET = "route-target"


class Secret(str):
    """A text that ``repr`` does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret()" if self else "''"


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One session to be kept up; ``name`` is the ``source`` of what it announces.

    ``local_address`` None leaves it to the kernel. ``port`` is the peer's, or the one to listen
    on if ``passive``. ``hold_time``, ``graceful_restart`` and ``long_lived_stale`` (0 turns these
    two off) are in seconds. ``password`` is that of RFC 2385, ``ttl_security`` the hops of RFC
    5082 (0 for off), ``max_prefixes`` the number received that ends the session (0 for none),
    ``add_path`` that of RFC 7911 in the VPN families.
    """

    name: str
    address: Ip
    asn: int
    local_asn: int
    router_id: Ip
    local_address: Ip | None = None
    families: tuple[Family, ...] = (Family.IPV4_VPN,)
    hold_time: int = 90
    passive: bool = False
    port: int = 179
    password: Secret = Secret()
    graceful_restart: int = 120
    long_lived_stale: int = 0
    ttl_security: int = 0
    max_prefixes: int = 0
    add_path: bool = False


class SessionEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one session.

    ``state`` is RFC 4271's, in lower case. ``since`` is the time (seconds since the epoch) at
    which the session was established or was lost. ``last_error`` says why it was lost, or why
    it does not come up. Counters of updates are of the present session; ``routes_out`` and
    ``routes_in`` count what is in the Adj-RIB-Out and the Adj-RIB-In now.
    """

    peer: str
    state: str = "idle"
    last_error: str = ""
    since: float = 0.0
    established: int = 0
    updates_sent: int = 0
    updates_received: int = 0
    routes_out: int = 0
    routes_in: int = 0
    families: tuple[Family, ...] = ()

    @property
    def up(self) -> bool:
        """Routes are exchanged."""
        return self.state == "established"


def families_of(nlri: Nlri, path: Path) -> tuple[Family, ...]:
    """The families that carry a route; more than one if the next hop accepts both worlds.

    A prefix with an MPLS label goes as VPNv4 or VPNv6, one with a VNI (or a router's MAC) as
    EVPN type 5 (RFC 9136).
    """
    if isinstance(nlri, MembershipRoute):
        return (Family.ROUTE_TARGET,)
    if isinstance(nlri, MacIpRoute | InclusiveMulticastRoute):
        return (Family.EVPN,)
    vxlan = bool(path.vni) and Encapsulation.VXLAN in path.encapsulations
    evpn = (Family.EVPN,) if vxlan else ()
    if not path.label or path.encapsulations == (Encapsulation.VXLAN,):
        return evpn
    if len(nlri.prefix.ip) != IPV4_BYTES:
        return (Family.IPV6_VPN, *evpn)
    # An IPv6 next hop for VPNv4 needs a capability of its own (RFC 8950).
    return (Family.IPV4_VPN, *evpn) if len(path.next_hop) == IPV4_BYTES else evpn
