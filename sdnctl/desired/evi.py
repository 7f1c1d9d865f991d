"""A network, for all that host it: where its MACs are, and what its guests are told.

Knows no port of its members.
"""

from __future__ import annotations

import msgspec

from sdnctl.desired.nexthop import NextHop
from sdnctl.types import Ip, Label, Mac, Prefix, Vni


class Evi(msgspec.Struct, frozen=True):
    """A network: its VNI, its MPLS label on this domain's hypervisors, its MTU in octets.

    ``vrf`` is the VNI of the router that the network is attached to, 0 if none.
    """

    vni: Vni
    label: Label
    mtu: int
    vrf: Vni = Vni(0)

    @property
    def key(self) -> str:
        """By the VNI."""
        return f"evi/{self.vni}"


class Irb(msgspec.Struct, frozen=True):
    """A router's interface on a network, the same on every hypervisor (RFC 9135 section 4).

    ``addresses`` are (address, prefix length) pairs; the prefixes are on link, so what no FIB
    entry names inside them is dropped and never follows a shorter route.
    """

    vni: Vni
    vrf: Vni
    port_id: str
    mac: Mac
    addresses: tuple[tuple[Ip, int], ...]

    @property
    def key(self) -> str:
        """By network and interface."""
        return f"irb/{self.vni}/{self.port_id}"


class SubnetOptions(msgspec.Struct, frozen=True):
    """What the guests of a subnet are told, on the host, by DHCP and router advertisements.

    ``dhcp`` says that addresses of the subnet are leased (DHCP, or stateful DHCPv6);
    ``stateless`` that DHCPv6 tells the rest to who has an address (RFC 8415 section 6.1).
    ``advertised`` says that router advertisements name the prefix, ``autonomous`` that guests
    form their addresses in it (RFC 4862), ``other`` that DHCPv6 has the rest for them.
    ``routes`` are (destination, next hop). ``lease_time`` is in seconds; ``domain`` is the
    network's in the DNS, "" for none.
    """

    vni: Vni
    subnet_id: str
    prefix: Prefix
    gateway: Ip | None = None
    dhcp: bool = False
    stateless: bool = False
    advertised: bool = False
    autonomous: bool = False
    other: bool = False
    dns_servers: tuple[Ip, ...] = ()
    routes: tuple[tuple[Prefix, Ip], ...] = ()
    lease_time: int = 86400
    domain: str = ""

    @property
    def key(self) -> str:
        """By network and subnet."""
        return f"subnet/{self.vni}/{self.subnet_id}"


class HostName(msgspec.Struct, frozen=True):
    """A port of the network that has a name, for the network's resolver; without its domain."""

    vni: Vni
    port_id: str
    name: str
    addresses: tuple[Ip, ...]

    @property
    def key(self) -> str:
        """By network and port."""
        return f"name/{self.vni}/{self.port_id}"


class Neighbor(msgspec.Struct, frozen=True):
    """An address of the network and its MAC: answered on the host by ARP or ND."""

    vni: Vni
    ip: Ip
    mac: Mac

    @property
    def key(self) -> str:
        """By network and address."""
        return f"neighbor/{self.vni}/{self.ip}"


class FdbEntry(msgspec.Struct, frozen=True):
    """A MAC address of the network and the tunnel that leads to it."""

    vni: Vni
    mac: Mac
    via: NextHop

    @property
    def key(self) -> str:
        """By network and MAC."""
        return f"fdb/{self.vni}/{self.mac}"


class FloodEntry(msgspec.Struct, frozen=True):
    """A member that gets a copy of the network's unknown, broadcast and multicast frames."""

    vni: Vni
    via: NextHop

    @property
    def key(self) -> str:
        """By network and member."""
        return f"flood/{self.vni}/{self.via.vtep}"
