"""What the switch answers by itself: ARP, ND, and pings to a gateway."""

from __future__ import annotations

import struct
from typing import Any, Final

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Priority, Table
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    ARP,
    ICMPV6,
    IP4,
    IP6,
    IPV4,
    IPV6,
    ND_ADVERT,
    ND_OPTIONS_TYPE,
    ND_RESERVED,
    ND_SOLICIT,
    REPLY,
    RawSetField,
    copy,
    flow,
    nd_match,
    put,
    reg,
    resubmit,
    shape,
)


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
def gateway_asked_6(vni: Any, ip: Any) -> Any:
    """The router's own address where the switch cannot answer: the agent does."""
    match = {**reg(evi=vni), **nd_match(ND_SOLICIT), "ipv6_nd_target": ip}
    return flow(Table.RESPOND, Priority.ROUTER, match, [resubmit(Table.ASK)])


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
