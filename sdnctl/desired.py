"""What an agent is told: whole resources, each with a key that names it for ever.

Promise: plain frozen values, complete in themselves; the same value means the same packets.
A resource belongs to one group: ``node/HOST`` (one hypervisor), ``evi/VNI`` (all that host the
network), ``vrf/VNI`` (all that host the router), ``policy/ID`` (all that host a port of the
security group) or ``remote/ID`` (all that host a port whose rules refer to these addresses).
Knows nothing of how it is carried (wire) or programmed (the agent's drivers).

An entry of a group is the same for every member, the owner included: an agent whose own VTEP
is the next hop ignores that next hop, because its ``LocalPort`` says it better.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from sdnctl.types import Encapsulation, Ip, Label, Mac, Prefix, Vni


class NextHop(NamedTuple):
    """The far end of a tunnel and what to write into the header.

    ``encapsulations`` are those that ``vtep`` accepts: the sender takes the first of its own
    preference that is among them (RFC 9012). ``label`` serves
    MPLS, ``vni`` VXLAN; 0 where the far end gave none. ``router_mac`` is the inner destination
    of routed VXLAN (RFC 9135 section 5); None for bridged entries.
    """

    vtep: Ip
    label: Label
    vni: Vni
    encapsulations: tuple[Encapsulation, ...]
    router_mac: Mac | None = None


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


class Vrf(msgspec.Struct, frozen=True):
    """A router, or an external network: its layer 3 VNI and its MPLS label on our hypervisors.

    ``connected`` are the prefixes that it has on link: what nothing names in them is nowhere,
    on hypervisors too that host no port of the network.
    """

    vni: Vni
    label: Label
    connected: tuple[Prefix, ...] = ()

    @property
    def key(self) -> str:
        """By the layer 3 VNI."""
        return f"vrf/{self.vni}"


class FibEntry(msgspec.Struct, frozen=True):
    """A prefix of the VRF and its equal paths, one or more, in a fixed order.

    ``backup`` are the next best, for as long as none of ``via`` answers its ``Probe``.
    """

    vrf: Vni
    prefix: Prefix
    via: tuple[NextHop, ...]
    backup: tuple[NextHop, ...] = ()

    @property
    def key(self) -> str:
        """By VRF and prefix."""
        return f"fib/{self.vrf}/{self.prefix}"


class Exit(msgspec.Struct, frozen=True):
    """The way out of a router: where packets go that its VRF has no longer prefix for.

    They go on in the VRF ``external``. Before, IPv4 sources without a floating IP are hidden if
    ``snat`` says so: behind ``address`` on the one hypervisor ``at``, which the others send them
    to; or, ``distributed``, behind an address of each hypervisor's own. ``zone`` is the router's in
    the connection tracker. ``prefixes`` are the default routes, and others that lead out.
    ``limits`` are those of ``address``.
    """

    vrf: Vni
    external: Vni
    zone: int
    prefixes: tuple[Prefix, ...]
    snat: bool = False
    distributed: bool = False
    address: Ip | None = None
    at: NextHop | None = None
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """By the router's layer 3 VNI."""
        return f"exit/{self.vrf}"


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


class Forwarding(msgspec.Struct, frozen=True):
    """Ports of an address of the VRF ``external`` that stand for ports of ``fixed`` in ``vrf``.

    As many, in order; or, where the first of ``internal`` is the last, all for that one.
    The hypervisor ``at`` translates; answers go there. ``limits`` are those of the address.
    """

    vrf: Vni
    forwarding_id: str
    external: Vni
    ip: Ip
    protocol: int
    ports: tuple[int, int]
    fixed: Ip
    internal: tuple[int, int]
    zone: int
    at: NextHop
    limits: Limits | None = None

    @property
    def key(self) -> str:
        """By the forwarding's id."""
        return f"forwarding/{self.forwarding_id}"


class SecurityRule(msgspec.Struct, frozen=True):
    """What ports of the security group ``group`` may receive (``ingress``) or send.

    ``version`` is of IP. ``protocol`` None is any. ``first`` and ``last`` are the destination
    ports, or type and code of ICMP; None is any. ``prefix`` or ``remote`` (a set of
    ``RemoteAddresses``) says with whom; neither, with anyone. ``stateful`` False knows no
    connections: answers need a rule of their own.
    """

    group: str
    rule_id: str
    ingress: bool
    version: int
    protocol: int | None = None
    first: int | None = None
    last: int | None = None
    prefix: Prefix | None = None
    remote: str = ""
    stateful: bool = True

    @property
    def key(self) -> str:
        """By the rule's id."""
        return f"rule/{self.rule_id}"


class RemoteAddresses(msgspec.Struct, frozen=True):
    """Addresses in the set ``remote``: those of its member ``name``, a port for one."""

    remote: str
    name: str
    prefixes: tuple[Prefix, ...]

    @property
    def key(self) -> str:
        """By set and member."""
        return f"remote/{self.remote}/{self.name}"


class Probe(msgspec.Struct, frozen=True):
    """A next hop of the network or router ``vni`` that is asked every ``interval`` milliseconds.

    ``multiplier`` probes unanswered in a row take it out of use on the hypervisor that asked.
    """

    vni: Vni
    vtep: Ip
    interval: int
    multiplier: int

    @property
    def key(self) -> str:
        """By network or router, and next hop."""
        return f"probe/{self.vni}/{self.vtep}"


Desired = (
    Node
    | LocalPort
    | Evi
    | Irb
    | SubnetOptions
    | HostName
    | Neighbor
    | FdbEntry
    | FloodEntry
    | Vrf
    | FibEntry
    | Exit
    | FloatingAddress
    | HidingAddress
    | Forwarding
    | SecurityRule
    | RemoteAddresses
    | Probe
)
