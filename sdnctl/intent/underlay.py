"""What operators have: hypervisors, cables, gateways and BGP peers.

Promise: no row here is a tenant's. Knows nothing of what is up.
"""

from __future__ import annotations

from sdnctl.intent.row import Row
from sdnctl.types import Encapsulation, Ip


class Hypervisor(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A compute node; ``id`` is its host name, the ``binding:host_id`` of its ports.

    ``encapsulations`` are those that it accepts and would send, best first.
    ``mtu`` is the underlay's, in octets. ``datapath_type`` is its bridge's in Open vSwitch,
    ``system`` (kernel) or ``netdev`` (userspace).
    """

    vtep: Ip
    encapsulations: tuple[Encapsulation, ...] = (Encapsulation.VXLAN, Encapsulation.MPLS_GRE)
    mtu: int = 1500
    datapath_type: str = "system"


class Link(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A cable of the underlay between two named nodes (hypervisors, switches, gateways)."""

    a: str
    b: str
    cost: int = 1


class BgpPeer(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A BGP session with a gateway or a route reflector; ``id`` is its name.

    ``families`` are of ``ipv4-vpn``, ``ipv6-vpn``, ``l2vpn-evpn`` and ``route-target`` (RFC
    4684). ``password`` (RFC 2385) is write-only: no answer, log or command line shows it.
    Peers of one ``group`` share a speaker process, so that none of another group can stall them.
    ``ttl_security`` is the number of hops allowed (RFC 5082), 0 for off; ``hold_time``,
    ``graceful_restart`` (RFC 4724) and ``long_lived_stale`` (RFC 9494) are seconds, 0 for off.
    ``max_prefixes`` received end the session (RFC 4486), 0 for no limit. ``add_path`` asks for,
    and offers, several paths to a prefix in the VPN families (RFC 7911).
    """

    address: Ip
    asn: int
    families: tuple[str, ...] = ("ipv4-vpn",)
    group: str = "default"
    port: int = 179
    hold_time: int = 90
    graceful_restart: int = 120
    long_lived_stale: int = 0
    passive: bool = False
    password: str = ""
    ttl_security: int = 0
    max_prefixes: int = 0
    add_path: bool = False
    admin_state_up: bool = True

    def __repr__(self) -> str:
        """Without the password, wherever a row is logged."""
        return f"BgpPeer(id={self.id!r}, address={self.address}, asn={self.asn})"


class Gateway(Row, frozen=True, kw_only=True, omit_defaults=True):
    """A data-centre router as an end of tunnels; it may be learned from without being listed.

    ``encapsulations``, if given, pins what is sent to ``address``, whatever it advertises.
    ``local_preference``, if given, replaces that of every path learned with it as next hop:
    higher is preferred, equal is shared (ECMP). ``probe_interval`` is milliseconds between two
    probes of ``address`` by every hypervisor that sends to it, 0 for none; ``probe_multiplier``
    of them unanswered in a row take it out of use there.
    """

    address: Ip
    encapsulations: tuple[Encapsulation, ...] = ()
    local_preference: int | None = None
    probe_interval: int = 0
    probe_multiplier: int = 3
