"""The shapes of all flows, written with os-ken and compiled to ``templates.py``.

Promise: ``python -m sdnctl_vrouter.drivers.ovs.shapes`` writes ``templates.py``, one ``pack``
function per shape whose bytes are os-ken's for any value of its fields. A shape is a function
from its fields to an OpenFlow message; where a field lies in the message is found by
serialising it twice. The agent never imports this module: os-ken costs 22 MiB, and 60 us
for what a template does in 0.4.

A packed message lacks its OpenFlow header; a FlowMod lacks its cookie as well, which is the
hash of the rest.
"""

from __future__ import annotations

import inspect
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from os_ken.ofproto import ofproto_v1_4 as of
from os_ken.ofproto import ofproto_v1_4_parser as p
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Priority, Register, Table, fib_priority

DATAPATH: Final = ProtocolDesc(of.OFP_VERSION)


class Kind(NamedTuple):
    """A type of field: how it is packed, and its all-zero and all-one values for os-ken."""

    code: str
    zero: Any
    ones: Any
    annotation: str


U16: Final = Kind("H", 0, 0xFFFF, "int")
U32: Final = Kind("I", 0, 0xFFFFFFFF, "int")
U64: Final = Kind("Q", 0, (1 << 64) - 1, "int")
MAC: Final = Kind("6s", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "bytes")
IP4: Final = Kind("4s", "0.0.0.0", "255.255.255.255", "bytes")  # noqa: S104 not a socket
IP6: Final = Kind("16s", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "bytes")

KINDS: Final = {
    "chunk": U32,
    "group": U32,
    "label": U32,
    "mac": MAC,
    "nexthop_mac": MAC,
    "ofport": U32,
    "priority": U16,
    "router_mac": MAC,
    "tun_id": U64,
    "vni": U32,
    "vrf": U32,
}
"""Fields by name; ``ip``, ``mask`` and ``vtep`` take the family that ends the shape's name."""

ARP: Final = 0x0806
IPV4: Final = 0x0800
IPV6: Final = 0x86DD
MPLS: Final = 0x8847
ICMPV6: Final = 58
ND_SOLICIT: Final = 135
ND_ADVERT: Final = 136
NICIRA_DECAP: Final = 47
NICIRA_ENCAP: Final = 46
NICIRA_CLONE: Final = 42
LINK_LOCAL: Final = ("fe80::", "ffc0::")

Match = dict[str, Any]
Action = Any

SHAPES: Final[dict[str, Callable[..., Any]]] = {}


def shape(build: Callable[..., Any]) -> Callable[..., Any]:
    """Register ``build`` under its name."""
    SHAPES[build.__name__] = build
    return build


def per_family(build: Callable[..., Any]) -> Callable[..., Any]:
    """Register ``build`` as ``NAME_4`` and ``NAME_6``; its first parameter is the family."""
    for family in (4, 6):

        def bound(*args: Any, family: int = family, **kwargs: Any) -> Any:
            return build(family, *args, **kwargs)

        parameters = list(inspect.signature(build).parameters.values())[1:]
        bound.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        bound.__name__ = f"{build.__name__}_{family}"
        bound.__doc__ = build.__doc__
        SHAPES[bound.__name__] = bound
    return build


# ---- words of the shapes


def flow(table: Table, priority: int, match: Match, actions: list[Action]) -> Any:
    """An ADD; no actions means drop."""
    return p.OFPFlowMod(
        DATAPATH,
        table_id=table,
        priority=priority,
        match=p.OFPMatch(**match),
        out_port=of.OFPP_ANY,
        out_group=of.OFPG_ANY,
        instructions=[p.OFPInstructionActions(of.OFPIT_APPLY_ACTIONS, actions)] if actions else [],
    )


def reg(**values: Any) -> Match:
    """``evi=..``, ``vrf=..`` as the fields that hold them."""
    return {Register[name.upper()].field: value for name, value in values.items()}


def put(**values: Any) -> Action:
    """Set one field."""
    return p.OFPActionSetField(**values)


def load(**values: Any) -> Action:
    """Set one register by its name."""
    return p.OFPActionSetField(**reg(**values))


def copy(source: str, target: str, bits: int) -> Action:
    """Copy the first ``bits`` of a field to another."""
    return p.NXActionRegMove(source, target, bits)


def resubmit(table: Table) -> Action:
    """Go on in ``table``."""
    return p.NXActionResubmitTable(in_port=0xFFF8, table_id=table)


def output(port: Any) -> Action:
    """Send; never back to where it came from."""
    return p.OFPActionOutput(port)


REPLY: Final = output(of.OFPP_IN_PORT)
DEC_TTL: Final = p.OFPActionDecNwTtl()
"""A packet whose TTL is spent goes no further."""


def packet_type(namespace: int, number: int) -> bytes:
    """A packet type as in OpenFlow 1.5 section 7.2.3.11."""
    return struct.pack("!HH", namespace, number)


def encap(kind: bytes) -> Action:
    """Push a header of packet type ``kind`` (struct nx_action_encap)."""
    return p.NXActionUnknown(NICIRA_ENCAP, bytes(2) + kind)


def decap(kind: bytes) -> Action:
    """Pop the outermost header, leaving a packet of type ``kind`` (struct nx_action_decap)."""
    return p.NXActionUnknown(NICIRA_DECAP, bytes(2) + kind)


def clone(*actions: Action) -> Action:
    """Do ``actions`` on a copy (struct ofp_action_header, subtype 42)."""
    inner = bytearray()
    for action in actions:
        action.serialize(inner, len(inner))
    return p.NXActionUnknown(NICIRA_CLONE, bytes(6) + bytes(inner))


def check_pkt_larger(size: int, result: Register) -> Action:
    """Whether the packet is larger, into bit 0 (struct nx_action_check_pkt_larger)."""
    header = 0x00010004 + 0x200 * result
    return p.NXActionUnknown(49, struct.pack("!HHI6x", size, 0, header))


ETHERNET: Final = packet_type(0, 0)
NEXT_PROTOCOL: Final = packet_type(0, 0xFFFE)
MPLS_PACKET: Final = packet_type(1, MPLS)


def ip_match(family: int, direction: str, ip: Any) -> Match:
    """An address, or (address, mask), of either family."""
    return {"eth_type": IPV4 if family == 4 else IPV6, f"ipv{family}_{direction}": ip}


def nd_match(kind: int) -> Match:
    """A neighbour discovery message (RFC 4861 section 4)."""
    return {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": kind, "icmpv6_code": 0}


class RawSetField(p.OFPAction):  # type: ignore[misc]
    """SET_FIELD of a field that os-ken does not know, by its OXM header."""

    def __init__(self, header: int, value: bytes) -> None:
        self.type = of.OFPAT_SET_FIELD
        self.packed = struct.pack("!I", header) + value

    def serialize(self, buf: bytearray, offset: int) -> None:
        """As an action of os-ken does."""
        length = -(-(4 + len(self.packed)) // 8) * 8
        head = struct.pack("!HH", of.OFPAT_SET_FIELD, length) + self.packed
        buf[offset:] = head.ljust(length, b"\0")
        self.len = length


ND_RESERVED: Final = 0x1000 << 16 | 1 << 9 | 4
ND_OPTIONS_TYPE: Final = 0x1000 << 16 | 2 << 9 | 1
"""ERICOXM_OF_ICMPV6_ND_RESERVED and ..._OPTIONS_TYPE (OVS meta-flow.h)."""


def tunnel(family: int, vtep: Any) -> Action:
    """Where the tunnel ends."""
    return put(**{"tun_ipv4_dst" if family == 4 else "tun_ipv6_dst": vtep})


# ---- classification


@shape
def vif_trusted(ofport: Any, vni: Any) -> Any:
    """A VIF whose port security is off."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport},
        [load(evi=vni), resubmit(Table.RESPOND)],
    )


@shape
def vif_checked(ofport: Any, vni: Any) -> Any:
    """A VIF whose port security is on."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport},
        [load(evi=vni), resubmit(Table.SOURCE_MAC)],
    )


@shape
def vxlan_evi(ofport: Any, tun_id: Any, vni: Any) -> Any:
    """VXLAN with the VNI of a network."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport, "tunnel_id": tun_id},
        [load(evi=vni), load(tunnelled=1), resubmit(Table.L2)],
    )


@shape
def vxlan_vrf(ofport: Any, tun_id: Any, vrf: Any) -> Any:
    """VXLAN with the VNI of a router (RFC 9136 section 4.4.2)."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        {"in_port": ofport, "tunnel_id": tun_id},
        [load(vrf=vrf), load(tunnelled=1), resubmit(Table.FIB)],
    )


def mpls_match(ofport: Any, label: Any) -> Match:
    """One label, bottom of stack (RFC 3032)."""
    return {"in_port": ofport, "eth_type": MPLS, "mpls_label": label, "mpls_bos": 1}


@shape
def mpls_evi(ofport: Any, label: Any, vni: Any) -> Any:
    """The label of a network: Ethernet under it."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        mpls_match(ofport, label),
        [
            load(evi=vni),
            load(tunnelled=1),
            decap(NEXT_PROTOCOL),
            decap(ETHERNET),
            resubmit(Table.L2),
        ],
    )


@shape
def mpls_vrf(ofport: Any, label: Any, vrf: Any) -> Any:
    """The label of a router: IPv4 or IPv6 under it."""
    return flow(
        Table.CLASSIFY,
        Priority.DEFAULT,
        mpls_match(ofport, label),
        [load(vrf=vrf), load(tunnelled=1), p.OFPActionPopMpls(IPV4), resubmit(Table.POPPED)],
    )


# ---- anti-spoofing, first the link layer


def from_vif(ofport: Any, mac: Any) -> Match:
    """Frames of a VIF with its own MAC."""
    return {"in_port": ofport, "eth_src": mac}


def mac_flow(priority: Priority, match: Match, *, allow: bool = True) -> Any:
    """A verdict on link-layer addresses."""
    return flow(Table.SOURCE_MAC, priority, match, [resubmit(Table.SOURCE_IP)] if allow else [])


@shape
def mac_ethernet(ofport: Any, mac: Any) -> Any:
    """The source of any frame."""
    return mac_flow(Priority.DEFAULT, from_vif(ofport, mac))


@shape
def mac_arp(ofport: Any, mac: Any) -> Any:
    """The sender inside ARP."""
    match = {**from_vif(ofport, mac), "eth_type": ARP, "arp_sha": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_arp_refused() -> Any:
    """ARP with another's hardware address."""
    return mac_flow(Priority.REFUSE, {"eth_type": ARP}, allow=False)


@shape
def mac_solicit(ofport: Any, mac: Any) -> Any:
    """The source link-layer address inside a solicitation."""
    match = {**from_vif(ofport, mac), **nd_match(ND_SOLICIT), "ipv6_nd_sll": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_solicit_bare(ofport: Any, mac: Any) -> Any:
    """A solicitation without the option: duplicate address detection (RFC 4862 section 5.4)."""
    match = {**from_vif(ofport, mac), **nd_match(ND_SOLICIT), "ipv6_nd_sll": MAC.zero}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_solicit_refused() -> Any:
    """A solicitation with another's address."""
    return mac_flow(Priority.REFUSE, nd_match(ND_SOLICIT), allow=False)


@shape
def mac_advert(ofport: Any, mac: Any) -> Any:
    """The target link-layer address inside an advertisement."""
    match = {**from_vif(ofport, mac), **nd_match(ND_ADVERT), "ipv6_nd_tll": mac}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_advert_bare(ofport: Any, mac: Any) -> Any:
    """An advertisement without the option: the answer to a probe (RFC 4861 section 7.2.4)."""
    match = {**from_vif(ofport, mac), **nd_match(ND_ADVERT), "ipv6_nd_tll": MAC.zero}
    return mac_flow(Priority.ALLOW, match)


@shape
def mac_advert_refused() -> Any:
    """An advertisement of another's address."""
    return mac_flow(Priority.REFUSE, nd_match(ND_ADVERT), allow=False)


@shape
def mac_router_advert_refused() -> Any:
    """A guest is no router (RFC 6105)."""
    return mac_flow(Priority.REFUSE, nd_match(134), allow=False)


@shape
def mac_redirect_refused() -> Any:
    """Nor does it redirect others."""
    return mac_flow(Priority.REFUSE, nd_match(137), allow=False)


# ---- then the network layer


def ip_flow(priority: Priority, match: Match, *, allow: bool = True) -> Any:
    """A verdict on network-layer addresses."""
    return flow(Table.SOURCE_IP, priority, match, [resubmit(Table.RESPOND)] if allow else [])


@per_family
def ip_source(family: int, ofport: Any, ip: Any) -> Any:
    """The source of a packet."""
    return ip_flow(Priority.DEFAULT, {"in_port": ofport, **ip_match(family, "src", ip)})


@shape
def ip_arp_4(ofport: Any, ip: Any) -> Any:
    """The sender inside ARP."""
    return ip_flow(Priority.DEFAULT, {"in_port": ofport, "eth_type": ARP, "arp_spa": ip})


@shape
def ip_arp_probe() -> Any:
    """An ARP probe claims nothing (RFC 5227 section 2.1.1)."""
    match = {"eth_type": ARP, "arp_op": 1, "arp_spa": IP4.zero}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_dhcp() -> Any:
    """A DHCP client without an address (RFC 2131 section 4.1)."""
    match = {"eth_type": IPV4, "ipv4_src": IP4.zero, "ip_proto": 17, "udp_dst": 67}
    return ip_flow(Priority.DEFAULT, match)


@shape
def ip_advert_6(ofport: Any, ip: Any) -> Any:
    """An advertisement of its own address."""
    match = {"in_port": ofport, **nd_match(ND_ADVERT), "ipv6_nd_target": ip}
    return ip_flow(Priority.ALLOW, match)


@shape
def ip_advert_link_local() -> Any:
    """Link-local addresses are the guest's own affair (RFC 4862 section 5.3)."""
    match = {**nd_match(ND_ADVERT), "ipv6_nd_target": LINK_LOCAL}
    return ip_flow(Priority.ALLOW, match)


@shape
def ip_advert_refused() -> Any:
    """An advertisement of another's address."""
    return ip_flow(Priority.REFUSE, nd_match(ND_ADVERT), allow=False)


@shape
def ip_link_local() -> Any:
    """Any link-local source."""
    return ip_flow(Priority.DEFAULT, ip_match(6, "src", LINK_LOCAL))


@shape
def ip_unspecified() -> Any:
    """Duplicate address detection and MLD before there is an address (RFC 4862, RFC 3810)."""
    match = {**ip_match(6, "src", IP6.zero), "ip_proto": ICMPV6}
    return ip_flow(Priority.DEFAULT, match)


# ---- answers


@shape
def respond_miss() -> Any:
    """All that is not answered here."""
    return flow(Table.RESPOND, Priority.MISS, {}, [resubmit(Table.L2)])


@shape
def respond_arp_probe() -> Any:
    """Only the holder answers a probe, or every guest would find itself a duplicate."""
    match = {"eth_type": ARP, "arp_op": 1, "arp_spa": IP4.zero}
    return flow(Table.RESPOND, Priority.ECHO, match, [resubmit(Table.L2)])


@shape
def respond_dad() -> Any:
    """The same in IPv6."""
    match = {**nd_match(ND_SOLICIT), "ipv6_src": IP6.zero}
    return flow(Table.RESPOND, Priority.ECHO, match, [resubmit(Table.L2)])


@shape
def respond_own_4(ofport: Any, ip: Any) -> Any:
    """A gratuitous request is no question (RFC 5944 section 4.6)."""
    match = {"in_port": ofport, "eth_type": ARP, "arp_op": 1, "arp_tpa": ip}
    return flow(Table.RESPOND, Priority.LOCAL, match, [resubmit(Table.L2)])


def arp_reply(priority: Priority, vni: Any, ip: Any, mac: Any) -> Any:
    """Turn a request into its reply (RFC 826)."""
    return flow(
        Table.RESPOND,
        priority,
        {**reg(evi=vni), "eth_type": ARP, "arp_op": 1, "arp_tpa": ip},
        [
            copy("eth_src", "eth_dst", 48),
            put(eth_src=mac),
            put(arp_op=2),
            copy("arp_sha", "arp_tha", 48),
            copy("arp_spa", "arp_tpa", 32),
            put(arp_sha=mac),
            put(arp_spa=ip),
            REPLY,
        ],
    )


def nd_reply(priority: Priority, vni: Any, ip: Any, mac: Any, flags: int) -> Any:
    """Turn a solicitation into its advertisement (RFC 4861 section 7.2.4).

    The source link-layer address option becomes the target's in place: same length, type 2.
    """
    return flow(
        Table.RESPOND,
        priority,
        {**reg(evi=vni), **nd_match(ND_SOLICIT), "ipv6_nd_target": ip},
        [
            copy("eth_src", "eth_dst", 48),
            put(eth_src=mac),
            copy("ipv6_src", "ipv6_dst", 128),
            put(ipv6_src=ip),
            put(icmpv6_type=ND_ADVERT),
            RawSetField(ND_OPTIONS_TYPE, b"\x02"),
            RawSetField(ND_RESERVED, struct.pack("!I", flags)),
            resubmit(Table.ND_REPLY),
        ],
    )


@shape
def nd_reply_rest() -> Any:
    """The target's link-layer address: the switch takes it in an advertisement only."""
    actions = [copy("eth_src", "ipv6_nd_tll", 48), p.OFPActionSetNwTtl(255), REPLY]
    return flow(Table.ND_REPLY, Priority.DEFAULT, nd_match(ND_ADVERT), actions)


SOLICITED_OVERRIDE: Final = 0x60000000
ROUTER_SOLICITED_OVERRIDE: Final = 0xE0000000


@shape
def neighbor_4(vni: Any, ip: Any, mac: Any) -> Any:
    """A neighbour's address."""
    return arp_reply(Priority.DEFAULT, vni, ip, mac)


@shape
def neighbor_6(vni: Any, ip: Any, mac: Any) -> Any:
    """A neighbour's address."""
    return nd_reply(Priority.DEFAULT, vni, ip, mac, SOLICITED_OVERRIDE)


@shape
def gateway_4(vni: Any, ip: Any, mac: Any) -> Any:
    """The router's own address."""
    return arp_reply(Priority.ROUTER, vni, ip, mac)


@shape
def gateway_6(vni: Any, ip: Any, mac: Any) -> Any:
    """The router's own address."""
    return nd_reply(Priority.ROUTER, vni, ip, mac, ROUTER_SOLICITED_OVERRIDE)


@shape
def echo_4(vrf: Any, ip: Any, mac: Any) -> Any:
    """Ping to a gateway (RFC 792)."""
    return flow(
        Table.FIB,
        Priority.ECHO,
        {
            **reg(vrf=vrf, tunnelled=0),
            "eth_type": IPV4,
            "ip_proto": 1,
            "ipv4_dst": ip,
            "icmpv4_type": 8,
            "icmpv4_code": 0,
        },
        [
            copy("eth_src", "eth_dst", 48),
            put(eth_src=mac),
            copy("ipv4_src", "ipv4_dst", 32),
            put(ipv4_src=ip),
            put(icmpv4_type=0),
            p.OFPActionSetNwTtl(64),
            REPLY,
        ],
    )


@shape
def echo_6(vrf: Any, ip: Any, mac: Any) -> Any:
    """Ping to a gateway (RFC 4443 section 4)."""
    return flow(
        Table.FIB,
        Priority.ECHO,
        {
            **reg(vrf=vrf, tunnelled=0),
            "eth_type": IPV6,
            "ip_proto": ICMPV6,
            "ipv6_dst": ip,
            "icmpv6_type": 128,
            "icmpv6_code": 0,
        },
        [
            copy("eth_src", "eth_dst", 48),
            put(eth_src=mac),
            copy("ipv6_src", "ipv6_dst", 128),
            put(ipv6_src=ip),
            put(icmpv6_type=129),
            p.OFPActionSetNwTtl(64),
            REPLY,
        ],
    )


# ---- bridging


@shape
def l2_local(vni: Any, mac: Any, ofport: Any) -> Any:
    """A MAC behind a local port."""
    return flow(Table.L2, Priority.LOCAL, {**reg(evi=vni), "eth_dst": mac}, [output(ofport)])


@shape
def l2_remote(vni: Any, mac: Any) -> Any:
    """A MAC behind a tunnel, never for what came out of one; the actions follow."""
    return flow(Table.L2, Priority.DEFAULT, {**reg(evi=vni, tunnelled=0), "eth_dst": mac}, [])


@shape
def l2_miss() -> Any:
    """Unknown unicast, broadcast, multicast."""
    actions = [resubmit(Table.FLOOD_LOCAL), resubmit(Table.FLOOD_REMOTE)]
    return flow(Table.L2, Priority.MISS, {}, actions)


@per_family
def l2_router(family: int, vni: Any, mac: Any, vrf: Any) -> Any:
    """The door to the router. It is on every hypervisor: no frame for it crosses a tunnel."""
    return flow(
        Table.L2,
        Priority.ROUTER,
        {
            **reg(evi=vni, tunnelled=0),
            "eth_dst": mac,
            "eth_type": IPV4 if family == 4 else IPV6,
        },
        [load(vrf=vrf), resubmit(Table.FIB)],
    )


@shape
def l2_router_refused(vni: Any, mac: Any) -> Any:
    """What else is sent to the router's MAC."""
    return flow(Table.L2, Priority.REFUSE, {**reg(evi=vni), "eth_dst": mac}, [])


@shape
def flood_local(vni: Any) -> Any:
    """The network's ports here; the outputs follow."""
    return flow(Table.FLOOD_LOCAL, Priority.DEFAULT, reg(evi=vni), [])


@shape
def flood_remote(vni: Any, chunk: Any) -> Any:
    """A part of the network's other members; the actions follow."""
    match = reg(evi=vni, tunnelled=0, chunk=chunk)
    return flow(Table.FLOOD_REMOTE, Priority.DEFAULT, match, [])


# ---- routing


@shape
def popped_4() -> Any:
    """IPv4 out of a label."""
    return flow(Table.POPPED, Priority.DEFAULT, {"eth_type": IPV4}, [resubmit(Table.FIB)])


@shape
def popped_6() -> Any:
    """IPv6 out of a label.

    One label serves both versions (as in RFC 4659) and OpenFlow cannot look under it, so it is
    popped as IPv4. IPv6 fails as IPv4: its first octet says a header of less than 20 octets
    (while the traffic class is below 0x50; above, its flow label would also have to be a
    plausible length), and the switch leaves the addresses 0. The label is then pushed and
    popped once more, as IPv6. Adjacent, the two cancel out in the switch's translation;
    check_pkt_larger, whose result nobody reads, makes it carry out the push.
    """
    return flow(
        Table.POPPED,
        Priority.LOCAL,
        {"eth_type": IPV4, "ipv4_src": IP4.zero, "ipv4_dst": IP4.zero},
        [
            p.OFPActionPushMpls(MPLS),
            check_pkt_larger(0xFFFF, Register.CHUNK),
            p.OFPActionPopMpls(IPV6),
            resubmit(Table.FIB),
        ],
    )


@per_family
def fib_remote(family: int, priority: Any, vrf: Any, ip: Any, mask: Any) -> Any:
    """A prefix behind tunnels, never for what came out of one; the actions follow."""
    match = {**reg(vrf=vrf, tunnelled=0), **ip_match(family, "dst", (ip, mask))}
    return flow(Table.FIB, priority, match, [])


@per_family
def fib_on_link(family: int, priority: Any, vrf: Any, ip: Any, mask: Any) -> Any:
    """A connected prefix: what nothing names in it is nowhere."""
    match = {**reg(vrf=vrf), **ip_match(family, "dst", (ip, mask))}
    return flow(Table.FIB, priority, match, [])


@per_family
def fib_local(family: int, vrf: Any, ip: Any, mac: Any, vni: Any, ofport: Any) -> Any:
    """An address of a local port."""
    return flow(
        Table.FIB,
        fib_priority(32 if family == 4 else 128, Preference.LOCAL),
        {**reg(vrf=vrf), **ip_match(family, "dst", ip)},
        [put(eth_dst=mac), load(evi=vni), load(output=ofport), resubmit(Table.ADJACENCY)],
    )


def adjacency(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any, hop: int) -> Any:
    """From the router to a port: its MAC as source; the TTL pays one hop, at the sender's."""
    output_reg = p.NXActionOutputReg(ofs_nbits=31, src=Register.OUTPUT.field, max_len=0xFFFF)
    return flow(
        Table.ADJACENCY,
        Priority.DEFAULT,
        {
            **reg(evi=vni, vrf=vrf, tunnelled=1 - hop),
            **ip_match(family, "dst", (ip, mask)),
        },
        [*([DEC_TTL] if hop else []), put(eth_src=mac), output_reg],
    )


@per_family
def adjacency_routed(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any) -> Any:
    """Routed on this host."""
    return adjacency(family, vrf, vni, ip, mask, mac, hop=1)


@per_family
def adjacency_received(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any) -> Any:
    """Routed at the other end of the tunnel."""
    return adjacency(family, vrf, vni, ip, mask, mac, hop=0)


# ---- tunnels


@shape
def to_vxlan(ofport: Any) -> Any:
    """Bridged frames to the VXLAN port."""
    return flow(Table.TO_VXLAN, Priority.DEFAULT, {}, [output(ofport)])


@shape
def to_vxlan_routed(router_mac: Any, ofport: Any) -> Any:
    """Routed packets to the VXLAN port."""
    actions = [put(eth_src=router_mac), output(ofport)]
    return flow(Table.TO_VXLAN_ROUTED, Priority.DEFAULT, {}, actions)


@shape
def to_mpls(ofport: Any) -> Any:
    """Bridged frames to the GRE port, Ethernet under the label.

    On a copy, because a flood list goes on with the frame as it was. There is no outer
    Ethernet header: with one, OVS 3.1's userspace data path dies in pop_eth().
    """
    label = copy(Register.LABEL.field, "mpls_label", 20)
    actions = [clone(encap(MPLS_PACKET), label, output(ofport))]
    return flow(Table.TO_MPLS, Priority.DEFAULT, {}, actions)


@shape
def to_mpls_routed(ofport: Any) -> Any:
    """Routed packets to the GRE port."""
    actions = [
        p.OFPActionPushMpls(MPLS),
        copy(Register.LABEL.field, "mpls_label", 20),
        output(ofport),
    ]
    return flow(Table.TO_MPLS_ROUTED, Priority.DEFAULT, {}, actions)


# ---- lists of actions, to be put behind a match or into a bucket


@per_family
def via_vxlan(family: int, vtep: Any, tun_id: Any) -> Any:
    """Bridge over VXLAN."""
    return [tunnel(family, vtep), put(tunnel_id=tun_id), resubmit(Table.TO_VXLAN)]


@per_family
def via_mpls(family: int, vtep: Any, label: Any) -> Any:
    """Bridge over MPLS."""
    return [tunnel(family, vtep), load(label=label), resubmit(Table.TO_MPLS)]


@per_family
def routed_vxlan(family: int, nexthop_mac: Any, vtep: Any, tun_id: Any) -> Any:
    """Route over VXLAN (RFC 9135 section 5)."""
    return [
        put(eth_dst=nexthop_mac),
        tunnel(family, vtep),
        put(tunnel_id=tun_id),
        resubmit(Table.TO_VXLAN_ROUTED),
    ]


@per_family
def routed_mpls(family: int, vtep: Any, label: Any) -> Any:
    """Route over MPLS (RFC 4364)."""
    return [tunnel(family, vtep), load(label=label), resubmit(Table.TO_MPLS_ROUTED)]


@shape
def send(ofport: Any) -> Any:
    """One more copy to a local port."""
    return [output(ofport)]


@shape
def next_chunk(chunk: Any) -> Any:
    """Go on with the flood list."""
    return [load(chunk=chunk), resubmit(Table.FLOOD_REMOTE)]


@shape
def dec_ttl() -> Any:
    """One hop."""
    return [DEC_TTL]


@shape
def choose(group: Any) -> Any:
    """One path of several, by a hash over the 5-tuple."""
    return [p.OFPActionGroup(group)]


@per_family
def probe(family: int, vtep: Any, ofport: Any) -> Any:
    """A VXLAN packet that nobody takes."""
    return [tunnel(family, vtep), put(tunnel_id=0), output(ofport)]


# ---- other messages


@shape
def group_select(group: Any) -> Any:
    """A select group, replaced if there; the buckets follow (OFPGC_ADD_OR_MOD of OVS)."""
    return p.OFPGroupMod(DATAPATH, 0x8000, of.OFPGT_SELECT, group, [])


@shape
def group_delete(group: Any) -> Any:
    """Remove a group."""
    return p.OFPGroupMod(DATAPATH, of.OFPGC_DELETE, of.OFPGT_SELECT, group, [])


# ---- the compiler


class Spot(NamedTuple):
    """Where a field lies in the packed message."""

    offset: int
    size: int
    code: str
    name: str


def kinds(name: str, build: Callable[..., Any]) -> dict[str, Kind]:
    """The fields of a shape."""
    family = IP6 if name.endswith("_6") else IP4
    families = {"ip": family, "mask": family, "vtep": family}
    return {
        field: families.get(field) or KINDS[field] for field in inspect.signature(build).parameters
    }


def serialize(build: Callable[..., Any], values: dict[str, Any]) -> bytes:
    """The message as os-ken writes it, without what the agent adds (header, cookie)."""
    message = build(**values)
    if isinstance(message, list):
        packed = bytearray()
        for action in message:
            action.serialize(packed, len(packed))
        return bytes(packed)
    message.xid = 0
    message.serialize()
    return bytes(message.buf[16 if isinstance(message, p.OFPFlowMod) else 8 :])


def spots(name: str, build: Callable[..., Any]) -> tuple[bytes, list[Spot]]:
    """The all-zero message and where its fields lie."""
    fields = kinds(name, build)
    zero = {field: kind.zero for field, kind in fields.items()}
    found = []
    for field, kind in fields.items():
        # os-ken masks the address itself: look for it under a full mask, and for the mask
        # over an address of zero.
        base = zero | ({"mask": fields["mask"].ones} if field == "ip" and "mask" in fields else {})
        low = serialize(build, base | {field: kind.zero})
        high = serialize(build, base | {field: kind.ones})
        if len(low) != len(high):
            raise ValueError(f"{name}: {field} changes the length")
        differs = [at for at in range(len(low)) if low[at] != high[at]]
        size = struct.calcsize(f"!{kind.code}")
        if not differs or len(differs) % size:
            raise ValueError(f"{name}: {field} was found at {differs}")
        for start in range(0, len(differs), size):
            if differs[start : start + size] != list(range(differs[start], differs[start] + size)):
                raise ValueError(f"{name}: {field} was found at {differs}")
            found.append(Spot(differs[start], size, kind.code, field))
    return serialize(build, zero), sorted(found)


def template(name: str, build: Callable[..., Any]) -> str:
    """The source of one pack function."""
    fields = kinds(name, build)
    base, found = spots(name, build)
    layout, arguments, at = "!", [], 0
    for spot in found:
        if spot.offset > at:
            layout += f"{spot.offset - at}s"
            arguments.append(repr(base[at : spot.offset]))
        layout += spot.code
        arguments.append(spot.name)
        at = spot.offset + spot.size
    doc = inspect.getdoc(build)
    summary = doc.splitlines()[0] if doc else ""
    if not found:
        return f'\n\ndef {name}() -> bytes:\n    """{summary}"""\n    return {base!r}\n'
    if at < len(base):
        layout += f"{len(base) - at}s"
        arguments.append(repr(base[at:]))
    parameters = ", ".join(f"{field}: {kind.annotation}" for field, kind in fields.items())
    return (
        f"\n\n_{name} = Struct({layout!r}).pack\n"
        f"\n\ndef {name}({parameters}) -> bytes:\n"
        f'    """{summary}"""\n'
        f"    return _{name}({', '.join(arguments)})\n"
    )


def compile_all() -> str:
    """The source of ``templates.py``."""
    head = (
        '"""GENERATED by shapes.py (``make templates``): packed flows. Do not edit."""\n\n'
        "# ruff: noqa\n\nfrom struct import Struct\n"
    )
    return head + "".join(template(name, build) for name, build in SHAPES.items())


if __name__ == "__main__":
    sys.stdout.write(compile_all())
