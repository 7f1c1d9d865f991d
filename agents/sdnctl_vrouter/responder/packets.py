"""Frames taken apart and put together: Ethernet, IPv4, IPv6, UDP, ICMPv6, options.

Promise: a parser gives None for what it cannot read, whatever the octets; it never raises.
Checksums of received packets are not looked at: a guest's virtual interface may leave them to
hardware that is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from sdnctl.types import Ip, Mac

IPV4: Final = 0x0800
IPV6: Final = 0x86DD
UDP: Final = 17
ICMPV6: Final = 58

SERVICE_MAC: Final = Mac(b"\x02SDN\0\x01")
"""Locally administered, the same on every hypervisor: who answers where no router does."""

SERVICE_IP: Final = Ip(b"\xa9\xfe\xa9\xfe")
"""169.254.169.254, the address by which instances know their cloud."""

SERVICE_IP_6: Final = Ip(b"\xfe\x80" + bytes(10) + SERVICE_IP)
"""fe80::a9fe:a9fe, the same in IPv6."""

BROADCAST_MAC: Final = Mac(b"\xff" * 6)
BROADCAST_IP: Final = Ip(b"\xff" * 4)
UNSPECIFIED: Final = Ip(bytes(16))
ALL_NODES: Final = Ip(b"\xff\x02" + bytes(13) + b"\x01")
"""ff02::1 (RFC 4291 section 2.7.1)."""

_HOP_LIMIT: Final = 64
_HEADER_4: Final = struct.Struct("!BBHHHBBH4s4s")
_HEADER_6: Final = struct.Struct("!IHBB16s16s")
_UDP: Final = struct.Struct("!HHHH")


class Packet(NamedTuple):
    """An IP packet that is whole: no fragment, no IPv6 extension header."""

    source_mac: Mac
    source: Ip
    target: Ip
    protocol: int
    payload: bytes


class Datagram(NamedTuple):
    """A UDP datagram."""

    packet: Packet
    source_port: int
    target_port: int
    payload: bytes


def parse(frame: bytes) -> Packet | None:
    """The IP packet in an Ethernet frame."""
    mac, ethertype, body = Mac(frame[6:12]), frame[12:14], frame[14:]
    if ethertype == b"\x08\x00" and len(body) >= 20:
        length, size = (body[0] & 0xF) * 4, int.from_bytes(body[2:4], "big")
        fragment = int.from_bytes(body[6:8], "big") & 0x3FFF
        if body[0] >> 4 != 4 or not 20 <= length <= size <= len(body) or fragment:
            return None
        return Packet(mac, Ip(body[12:16]), Ip(body[16:20]), body[9], body[length:size])
    if ethertype == b"\x86\xdd" and len(body) >= 40 and body[0] >> 4 == 6:
        end = 40 + int.from_bytes(body[4:6], "big")
        if end <= len(body):
            return Packet(mac, Ip(body[8:24]), Ip(body[24:40]), body[6], body[40:end])
    return None


def parse_udp(packet: Packet) -> Datagram | None:
    """The UDP datagram in a packet."""
    if packet.protocol != UDP or len(packet.payload) < 8:
        return None
    source, target, size, _sum = _UDP.unpack_from(packet.payload)
    if not 8 <= size <= len(packet.payload):
        return None
    return Datagram(packet, source, target, packet.payload[8:size])


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def build(target_mac: Mac, packet: Packet) -> bytes:
    """The frame of a packet; ICMPv6 and UDP get their checksum (octets 2 and 6) filled in."""
    payload = packet.payload
    if packet.protocol in {UDP, ICMPV6}:
        at = 6 if packet.protocol == UDP else 2
        pseudo = struct.pack("!II", len(payload), packet.protocol)
        total = checksum(packet.source + packet.target + pseudo + payload)
        payload = payload[:at] + (total or 0xFFFF).to_bytes(2, "big") + payload[at + 2 :]
    if packet.source.version == 4:
        size = 20 + len(payload)
        fields = (0x45, 0, size, 0, 0, _HOP_LIMIT, packet.protocol)
        head = _HEADER_4.pack(*fields, 0, packet.source, packet.target)
        head = _HEADER_4.pack(*fields, checksum(head), packet.source, packet.target)
        ethertype = IPV4
    else:
        # Neighbour discovery is refused with any other hop limit (RFC 4861 section 6.1.2).
        limit = 255 if packet.protocol == ICMPV6 else _HOP_LIMIT
        size = len(payload)
        head = _HEADER_6.pack(6 << 28, size, packet.protocol, limit, packet.source, packet.target)
        ethertype = IPV6
    return target_mac + packet.source_mac + ethertype.to_bytes(2, "big") + head + payload


def build_udp(target_mac: Mac, datagram: Datagram) -> bytes:
    """The frame of a datagram, whose packet lacks its payload."""
    size = 8 + len(datagram.payload)
    head = _UDP.pack(datagram.source_port, datagram.target_port, size, 0)
    return build(target_mac, datagram.packet._replace(payload=head + datagram.payload))


def link_local(mac: Mac) -> Ip:
    """fe80:: with the modified EUI-64 of a MAC address (RFC 4291 appendix A)."""
    return Ip(b"\xfe\x80" + bytes(6) + bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:])


def dns_name(name: str) -> bytes:
    """A domain name in the wire form of the DNS, uncompressed (RFC 1035 section 3.1)."""
    labels = [label.encode("ascii", "ignore")[:63] for label in name.split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels if label) + b"\0"


def options_6(data: bytes) -> Iterator[tuple[int, bytes]]:
    """DHCPv6 options (RFC 8415 section 21.1), up to the first that is cut short."""
    at = 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from("!HH", data, at)
        if at + 4 + size > len(data):
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + size
