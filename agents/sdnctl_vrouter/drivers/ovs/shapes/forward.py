"""Where a packet goes: FDB, flood lists, FIB, and into the tunnels."""

from __future__ import annotations

from typing import Any

from os_ken.ofproto import ofproto_v1_4_parser as p

from sdnctl_vrouter.drivers.ovs.pipeline import Preference, Priority, Register, Table, fib_priority
from sdnctl_vrouter.drivers.ovs.shapes.words import (
    DEC_TTL,
    IP4,
    IPV4,
    IPV6,
    MPLS,
    MPLS_PACKET,
    check_pkt_larger,
    clone,
    copy,
    encap,
    flow,
    ip_match,
    load,
    output,
    per_family,
    put,
    reg,
    resubmit,
    shape,
)

# ---- bridging


@shape
def l2_local(vni: Any, mac: Any, ofport: Any) -> Any:
    """A MAC behind a local port."""
    actions = [load(output=ofport), resubmit(Table.DELIVER)]
    return flow(Table.L2, Priority.LOCAL, {**reg(evi=vni), "eth_dst": mac}, actions)


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
def fib_local(family: int, vrf: Any, ip: Any, mac: Any, vni: Any, ofport: Any) -> Any:  # noqa: PLR0917 fields
    """An address of a local port."""
    return flow(
        Table.FIB,
        fib_priority(32 if family == 4 else 128, Preference.LOCAL),
        {**reg(vrf=vrf), **ip_match(family, "dst", ip)},
        [put(eth_dst=mac), load(evi=vni), load(output=ofport), resubmit(Table.ADJACENCY)],
    )


def fib_behind(  # noqa: PLR0917 fields
    family: int,
    priority: Any,
    vrf: Any,
    ip: Any,
    mask: Any,
    router_mac: Any,
    mac: Any,
    ofport: Any,
    hop: int,
) -> Any:
    """A prefix that a local port routes; it is on no link, so there is no adjacency to ask."""
    return flow(
        Table.FIB,
        priority,
        {**reg(vrf=vrf, tunnelled=1 - hop), **ip_match(family, "dst", (ip, mask))},
        [
            *([DEC_TTL] if hop else []),
            put(eth_src=router_mac),
            put(eth_dst=mac),
            load(output=ofport),
            resubmit(Table.DELIVER),
        ],
    )


@per_family
def fib_behind_routed(  # noqa: PLR0917 fields
    family: int, priority: Any, vrf: Any, ip: Any, mask: Any, router_mac: Any, mac: Any, ofport: Any
) -> Any:
    """Routed on this host."""
    return fib_behind(family, priority, vrf, ip, mask, router_mac, mac, ofport, hop=1)


@per_family
def fib_behind_received(  # noqa: PLR0917 fields
    family: int, priority: Any, vrf: Any, ip: Any, mask: Any, router_mac: Any, mac: Any, ofport: Any
) -> Any:
    """Routed at the other end of the tunnel."""
    return fib_behind(family, priority, vrf, ip, mask, router_mac, mac, ofport, hop=0)


@per_family
def fib_leaked(family: int, priority: Any, vrf: Any, ip: Any, mask: Any, other: Any) -> Any:  # noqa: PLR0917 fields
    """A prefix that another VRF of this host originates."""
    match = {**reg(vrf=vrf, tunnelled=0), **ip_match(family, "dst", (ip, mask))}
    actions = [load(vrf=other), load(inward=1), resubmit(Table.FIB)]
    return flow(Table.FIB, priority, match, actions)


def adjacency(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any, hop: int) -> Any:  # noqa: PLR0917 fields
    """From the router to a port: its MAC as source; the TTL pays one hop, at the sender's."""
    return flow(
        Table.ADJACENCY,
        Priority.DEFAULT,
        {
            **reg(evi=vni, vrf=vrf, tunnelled=1 - hop),
            **ip_match(family, "dst", (ip, mask)),
        },
        [*([DEC_TTL] if hop else []), put(eth_src=mac), resubmit(Table.DELIVER)],
    )


@per_family
def adjacency_routed(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any) -> Any:  # noqa: PLR0917 fields
    """Routed on this host."""
    return adjacency(family, vrf, vni, ip, mask, mac, hop=1)


@per_family
def adjacency_received(family: int, vrf: Any, vni: Any, ip: Any, mask: Any, mac: Any) -> Any:  # noqa: PLR0917 fields
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
