"""Neighbour discovery for gateways, where the switch cannot answer.

Promise: a solicitation becomes the advertisement that a router sends (RFC 4861 section 7.2.4),
or nothing if it is none. The kernel's data path cannot set the type of an option, so there the
solicitation for a gateway comes to the agent; it holds for as long as the guest remembers.
"""

from __future__ import annotations

import struct
from typing import Final

from sdnctl.types import Ip, Mac
from sdnctl_vrouter.responder.guest import Guest

IPV6_AT: Final = 14
ICMP_AT: Final = IPV6_AT + 40
SOLICITATION: Final = 135
ADVERTISEMENT: Final = 136
ROUTER_SOLICITED_OVERRIDE: Final = 0xE0000000
TARGET_LINK_LAYER: Final = b"\x02\x01"


def target(frame: bytes) -> Ip | None:
    """The address that a solicitation asks for."""
    if (
        len(frame) < ICMP_AT + 24
        or frame[12:14] != b"\x86\xdd"
        or frame[IPV6_AT + 6] != 58
        or frame[ICMP_AT] != SOLICITATION
    ):
        return None
    return Ip(frame[ICMP_AT + 8 : ICMP_AT + 24])


def answer(guest: Guest, frame: bytes) -> bytes | None:
    """The answer to a guest's solicitation for a gateway of its network."""
    ip = target(frame)
    mac = guest.gateway(ip) if ip is not None else None
    return None if ip is None or mac is None else advertisement(frame, ip, mac)


def advertisement(frame: bytes, ip: Ip, mac: Mac) -> bytes:
    """The answer to a solicitation for ``ip``, which is at ``mac``."""
    asker = frame[IPV6_AT + 8 : IPV6_AT + 24]
    head = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, ROUTER_SOLICITED_OVERRIDE)
    body = head + ip + TARGET_LINK_LAYER + mac
    sums = ip + asker + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(sums) // 2}H", sums))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    packet = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + ip + asker
    return frame[6:12] + mac + b"\x86\xdd" + packet + body[:2] + checksum + body[4:]
