"""The words in which shapes are written: fields, matches and actions of os-ken.

A shape is a function from its fields to an OpenFlow message or a list of actions, registered
by ``shape``. The types of its fields follow from their names.
"""

from __future__ import annotations

import inspect
import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from os_ken.ofproto import ofproto_v1_4 as of
from os_ken.ofproto import ofproto_v1_4_parser as p
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

from sdnctl_vrouter.drivers.ovs.pipeline import Reason, Register, Table

DATAPATH: Final = ProtocolDesc(of.OFP_VERSION)


class Kind(NamedTuple):
    """A type of field: how it is packed, and its all-zero and all-one values for os-ken."""

    code: str
    zero: Any
    ones: Any
    annotation: str


U8: Final = Kind("B", 0, 0xFF, "int")
U16: Final = Kind("H", 0, 0xFFFF, "int")
U32: Final = Kind("I", 0, 0xFFFFFFFF, "int")
U64: Final = Kind("Q", 0, (1 << 64) - 1, "int")
MAC: Final = Kind("6s", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "bytes")
IP4: Final = Kind("4s", "0.0.0.0", "255.255.255.255", "bytes")  # noqa: S104 not a socket
IP6: Final = Kind("16s", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "bytes")

KINDS: Final = {
    "burst": U32,
    "address": IP4,
    "alias": IP4,
    "external": U32,
    "fixed": IP4,
    "floating": IP4,
    "internal": U16,
    "origin": U32,
    "other": U32,
    "zone": U16,
    "chunk": U32,
    "far_vtep": IP4,
    "conj_id": U32,
    "dscp": U8,
    "group": U32,
    "icmp_code": U8,
    "icmp_type": U8,
    "host_ip": IP4,
    "host_prefix": U64,
    "host_port": U32,
    "label": U32,
    "mac": MAC,
    "meter_id": U32,
    "nexthop_mac": MAC,
    "ofport": U32,
    "patch": U32,
    "policy": U32,
    "port": U16,
    "port_mask": U16,
    "priority": U16,
    "protocol": U8,
    "rate": U32,
    "reason": U32,
    "router_mac": MAC,
    "table": U8,
    "tun_id": U64,
    "vni": U32,
    "vlan_vid": U16,
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


def drop(reason: Reason) -> list[Action]:
    """Refuse, and count."""
    return [load(reason=reason), resubmit(Table.DROPPED)]


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
