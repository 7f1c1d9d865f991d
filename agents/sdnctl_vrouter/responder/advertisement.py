"""Router advertisements (RFC 4861 section 4.2): prefixes, MTU, resolvers.

Promise: one advertisement says all of a network: a prefix for each subnet that is advertised. It
comes from the link-local address of the network's router, the same on every hypervisor. Without
a router that routes IPv6 it offers no default route, but guests still form their addresses.
"""

from __future__ import annotations

import struct
from typing import Final

from sdnctl.desired import SubnetOptions
from sdnctl.types import Ip, Mac
from sdnctl_vrouter.responder.guest import Guest
from sdnctl_vrouter.responder.packets import (
    ALL_NODES,
    ICMPV6,
    SERVICE_MAC,
    UNSPECIFIED,
    Packet,
    build,
    dns_name,
    link_local,
)

SOLICITATION: Final = 133
ADVERTISEMENT: Final = 134

INTERVAL: Final = 600
"""Seconds between two that nobody asked for: MaxRtrAdvInterval (RFC 4861 section 6.2.1)."""

LIFETIME: Final = 3 * INTERVAL
"""Seconds: AdvDefaultLifetime; and that of resolvers (RFC 8106 section 5.1)."""

VALID: Final = 2_592_000
PREFERRED: Final = 604_800
"""Seconds: AdvValidLifetime and AdvPreferredLifetime."""

SOURCE_LINK_LAYER: Final = 1
PREFIX_INFORMATION: Final = 3
MTU: Final = 5
RESOLVERS: Final = 25
SEARCH: Final = 31

_MANAGED: Final = 0x80
_OTHER: Final = 0x40
_ON_LINK: Final = 0x80
_AUTONOMOUS: Final = 0x40


def is_solicitation(packet: Packet) -> bool:
    """A valid router solicitation (RFC 4861 section 6.1.1)."""
    return (
        packet.protocol == ICMPV6
        and len(packet.payload) >= 8
        and packet.payload[:2] == bytes((SOLICITATION, 0))
    )


def answer(guest: Guest, asked: Packet) -> bytes | None:
    """The advertisement for who solicited, or None if nothing is advertised."""
    return advertise(guest, ALL_NODES if asked.source == UNSPECIFIED else asked.source)


def advertise(guest: Guest, target: Ip = ALL_NODES) -> bytes | None:
    """An advertisement to a port, or None if nothing is advertised on its network."""
    subnets = [subnet for subnet in guest.subnets if subnet.advertised]
    if not subnets:
        return None
    router = guest.router_6
    mac = router or SERVICE_MAC
    flags = 0
    if not all(subnet.autonomous for subnet in subnets):
        flags |= _MANAGED
    if any(subnet.other for subnet in subnets):
        flags |= _OTHER
    lifetime = LIFETIME if router else 0
    body = struct.pack("!BBHBBHII", ADVERTISEMENT, 0, 0, 64, flags, lifetime, 0, 0)
    body += _option(SOURCE_LINK_LAYER, mac)
    if guest.port.mtu >= 1280:
        body += _option(MTU, struct.pack("!HI", 0, guest.port.mtu))
    for subnet in subnets:
        body += _prefix(subnet)
    servers = guest.dns_servers(subnets, 6)
    if servers:
        body += _option(RESOLVERS, struct.pack("!HI", 0, LIFETIME) + servers)
    if subnets[0].domain:
        body += _option(SEARCH, struct.pack("!HI", 0, LIFETIME) + dns_name(subnets[0].domain))
    packet = Packet(mac, link_local(mac), target, ICMPV6, body)
    return build(_station(guest, target), packet)


def _station(guest: Guest, target: Ip) -> Mac:
    """To all nodes as a group (RFC 2464 section 7), though only one port gets it."""
    return Mac(b"\x33\x33" + target[12:]) if target[0] == 0xFF else guest.port.mac


def _prefix(subnet: SubnetOptions) -> bytes:
    flags = _ON_LINK | (_AUTONOMOUS if subnet.autonomous else 0)
    fields = struct.pack("!BBIII", subnet.prefix.length, flags, VALID, PREFERRED, 0)
    return _option(PREFIX_INFORMATION, fields + subnet.prefix.ip)


def _option(kind: int, value: bytes) -> bytes:
    units = -(-(2 + len(value)) // 8)
    return bytes((kind, units)) + value.ljust(8 * units - 2, b"\0")
