"""What concerns one hypervisor alone: itself, its ports, and addresses that it translates.

Knows nothing of what other hypervisors have.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from sdnctl.desired.nexthop import NextHop
from sdnctl.types import Encapsulation, Ip, Mac, Prefix, Vni


class Node(msgspec.Struct, frozen=True):
    """The hypervisor itself.

    ``encapsulations`` is its preference as a sender, best first. ``mtu`` is the underlay's in
    octets. ``distances`` are underlay costs to next hops that compete; a next hop that is not
    listed is at cost 0. Of several paths the agent keeps those at the least cost.
    """

    host: str
    vtep: Ip
    encapsulations: tuple[Encapsulation, ...]
    mtu: int
    router_mac: Mac
    distances: tuple[tuple[Ip, int], ...] = ()

    @property
    def key(self) -> str:
        """One per agent."""
        return "node"


class DhcpOption(NamedTuple):
    """An option that one port is told beyond its subnet's, or instead of them.

    ``version`` is that of IP: DHCP (RFC 2132) or DHCPv6 (RFC 8415). ``value`` is as on the wire;
    empty means that the option is not sent at all. DHCP's code 0, which no option has, stands for
    the header's ``siaddr``, the next server to boot from.
    """

    version: int
    code: int
    value: bytes


class Limit(NamedTuple):
    """A bandwidth: kilobits a second, and the kilobits that may come at once after a pause."""

    rate: int
    burst: int


class Qos(NamedTuple):
    """What a port may send (``egress``) and is sent, and how its packets are marked.

    ``dscp`` (RFC 2474) is written into each IP packet that it sends; None leaves them alone.
    """

    egress: Limit | None = None
    ingress: Limit | None = None
    dscp: int | None = None


class Limits(NamedTuple):
    """What an address outside may send for a guest (``egress``), and be sent.

    They go by ``number``, 1 to 65535, on every hypervisor that translates it.
    """

    number: int
    egress: Limit | None = None
    ingress: Limit | None = None


class LocalPort(msgspec.Struct, frozen=True):
    """A port bound to this hypervisor; its VIF is the interface with ``iface-id = port_id``.

    ``vrf`` is the VNI of the router that the network is attached to, 0 if none.
    ``addresses`` are all addresses that it owns. ``security`` False turns anti-spoofing and
    security groups off. Otherwise what the rules of its ``security_groups`` allow passes and
    nothing else does; ``pairs`` are what it may send as besides its own.
    ``behind`` are prefixes of the VRF that the guest routes: packets to them are sent to it from
    ``router_mac``, and it may send packets from them.
    ``zone`` is the tracking zone of a router whose guests' IPv4 addresses are hidden behind this
    hypervisor's own, 0 otherwise.
    ``host_name`` is told by DHCP, "" for none. ``mtu`` is what fits into this hypervisor's
    tunnels, in octets; 0 if that is not known. ``device_id`` and ``project_id`` say to the
    metadata service which instance asks.
    ``parent``, if not "", is the port whose VIF carries this one's frames, tagged with ``vlan``.

    ``standby`` says that the guest is elsewhere, and about to come or just gone: it may send, but
    what is for it goes to it only if it came by tunnel. With ``onward`` (bridged) and
    ``onward_routed`` that is sent on to there instead. ``picks_up`` lets TCP connections that are
    not known here go on, because they began on another hypervisor. ``claimed`` are the addresses
    that the guest has now of those that ``pairs`` let it have, each with the MAC that it has it by.
    """

    port_id: str
    vni: Vni
    vrf: Vni
    mac: Mac
    addresses: tuple[Ip, ...]
    admin_state_up: bool = True
    security: bool = True
    security_groups: tuple[str, ...] = ()
    pairs: tuple[tuple[Mac, Prefix], ...] = ()
    behind: tuple[Prefix, ...] = ()
    router_mac: Mac | None = None
    host_name: str = ""
    dhcp_options: tuple[DhcpOption, ...] = ()
    mtu: int = 0
    device_id: str = ""
    project_id: str = ""
    parent: str = ""
    vlan: int = 0
    qos: Qos | None = None
    zone: int = 0
    standby: bool = False
    onward: NextHop | None = None
    onward_routed: NextHop | None = None
    picks_up: bool = False
    claimed: tuple[tuple[Mac, Ip], ...] = ()

    @property
    def key(self) -> str:
        """By the port's id."""
        return f"port/{self.port_id}"


class FloatingAddress(msgspec.Struct, frozen=True):
    """An address of the VRF ``external`` that stands for ``fixed`` of a guest here, in ``vrf``."""

    external: Vni
    ip: Ip
    vrf: Vni
    fixed: Ip
    zone: int
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """By the external network's VRF and the address there."""
        return f"floating/{self.external}/{self.ip}"


class HidingAddress(msgspec.Struct, frozen=True):
    """An address of the VRF ``external`` that this hypervisor hides its own guests behind."""

    external: Vni
    ip: Ip

    @property
    def key(self) -> str:
        """By the external network's VRF and the address there."""
        return f"hiding/{self.external}/{self.ip}"
