"""UPDATEs of every kind that the speaker reads, and ways to break them.

Two kinds of damage: within attributes other than MP_REACH_NLRI and MP_UNREACH_NLRI, after which
RFC 7606 keeps the session; and anywhere, after which anything but a crash is right.
"""

from __future__ import annotations

import random
import struct
from typing import Final, NamedTuple

from sdnctl.bgp import patches
from sdnctl.bgp.adjrib_out import AdjRibOut
from sdnctl.bgp.codec import Attachment
from sdnctl.bgp.peer import Family
from sdnctl.routes import (
    InclusiveMulticastRoute,
    IpPrefixRoute,
    MacIpRoute,
    MembershipRoute,
    Nlri,
    Path,
)
from sdnctl.types import (
    Encapsulation,
    Ip,
    Label,
    Mac,
    Prefix,
    RouteDistinguisher,
    RouteTarget,
    Vni,
)
from tests.unit.bgp.exabgp_helpers import negotiated, to_bytes
from tests.unit.bgp.raw_peer import OPEN, UPDATE, frame

MP_REACH, MP_UNREACH = 14, 15
OPTIONAL, TRANSITIVE, PARTIAL, EXTENDED = 0x80, 0x40, 0x20, 0x10
RD = RouteDistinguisher.parse("64512:9")
TARGET = RouteTarget.parse("64512:7")
FIRST_UNKNOWN: Final = 200
ROOM: Final = 4096 - 19 - 4


class Attribute(NamedTuple):
    """One path attribute; always written with an extended length."""

    flags: int
    code: int
    value: bytes

    def packed(self) -> bytes:
        return struct.pack("!BBH", self.flags | EXTENDED, self.code, len(self.value)) + self.value


EXTRAS: Final = (
    Attribute(OPTIONAL, 4, (7).to_bytes(4, "big")),
    Attribute(TRANSITIVE, 3, bytes((10, 0, 0, 9))),
    Attribute(TRANSITIVE, 6, b""),
    Attribute(OPTIONAL | TRANSITIVE, 7, struct.pack("!I4B", 64600, 10, 0, 0, 9)),
    Attribute(OPTIONAL | TRANSITIVE, 8, struct.pack("!II", 0xFC000001, 0xFFFF0006)),
    Attribute(OPTIONAL, 9, bytes((10, 0, 0, 7))),
    Attribute(OPTIONAL, 10, bytes((10, 0, 0, 6, 10, 0, 0, 5))),
    Attribute(OPTIONAL | TRANSITIVE, 17, b"\2\1" + (64600).to_bytes(4, "big")),
    Attribute(OPTIONAL | TRANSITIVE, 18, struct.pack("!I4B", 64600, 10, 0, 0, 9)),
    Attribute(OPTIONAL | TRANSITIVE, 22, b"\0\6\0\x13\x88" + bytes((10, 0, 0, 9))),
    Attribute(OPTIONAL | TRANSITIVE, 25, b"\0\2" + bytes(18)),
    Attribute(OPTIONAL, 26, b"\1\0\x0b" + bytes(8)),
    Attribute(OPTIONAL, 29, b"\4\2\0\4" + bytes(4)),
    Attribute(OPTIONAL | TRANSITIVE, 32, struct.pack("!III", 64512, 1, 2)),
    Attribute(OPTIONAL | TRANSITIVE, 40, b"\1\0\7" + bytes(7)),
    Attribute(OPTIONAL | TRANSITIVE, FIRST_UNKNOWN, b"what"),
)
"""What a valid UPDATE may have beside its own attributes."""


def corpus(asn: int) -> list[tuple[Attribute, ...]]:
    """Valid UPDATEs of a peer in this AS: every kind of route, announced and withdrawn."""
    v4, v6, mac = Ip.parse("10.1.0.5"), Ip.parse("2001:db8::5"), Mac.parse("02:00:00:00:00:05")
    mpls = Path(
        next_hop=Ip.parse("10.0.0.9"),
        route_targets=(TARGET,),
        encapsulations=(Encapsulation.MPLS_GRE, Encapsulation.MPLS_UDP),
        label=Label(1000),
        communities=(0xFC000007,),
        as_path=(64700, 64701),
        med=3,
    )
    vxlan = Path(
        next_hop=Ip.parse("10.0.0.9"),
        route_targets=(TARGET,),
        encapsulations=(Encapsulation.VXLAN,),
        vni=Vni(5000),
        l3_vni=Vni(9001),
        router_mac=mac,
        sequence=3,
        default_gateway=True,
    )
    routes: list[tuple[Nlri, Path]] = [
        *((IpPrefixRoute(RD, Prefix(Ip.from_number(v + n, 4), 32)), mpls)
          for v in (0x0A020000,) for n in range(8)),
        (IpPrefixRoute(RD, Prefix.parse("2001:db8:1::/48")), mpls),
        (IpPrefixRoute(RD, Prefix.parse("10.3.0.0/16")), vxlan),
        (IpPrefixRoute(RD, Prefix.parse("2001:db8:2::/48")), vxlan),
        (MacIpRoute(RD, mac, None), vxlan),
        (MacIpRoute(RD, mac, v4), vxlan),
        (MacIpRoute(RD, mac, v6), vxlan),
        (InclusiveMulticastRoute(RD, v4), vxlan),
        (InclusiveMulticastRoute(RD, v6), vxlan),
        (MembershipRoute(asn, TARGET), mpls),
        (MembershipRoute(0, None, 0), mpls),
    ]  # fmt: skip
    patches.apply()
    rib = AdjRibOut(tuple(Family), Attachment(asn, 64512, Ip(bytes((10, 0, 0, 9))), Ip(bytes(4))))
    session = negotiated(asn, 64512)
    for nlri, path in routes:
        rib.put(nlri, path)
    messages = to_bytes(rib.updates(True), session)
    for nlri, _path in routes:
        rib.put(nlri, None)
    messages += to_bytes(rib.updates(True), session)
    return [_attributes(message[19:]) for message in messages]


def _attributes(body: bytes) -> tuple[Attribute, ...]:
    found = []
    at = 4
    while at < len(body):
        flags, code = body[at], body[at + 1]
        wide = bool(flags & EXTENDED)
        length = int.from_bytes(body[at + 2 : at + (4 if wide else 3)], "big")
        start = at + (4 if wide else 3)
        found.append(Attribute(flags & ~EXTENDED, code, body[start : start + length]))
        at = start + length
    return tuple(found)


def message(attributes: list[Attribute], tail: bytes = b"") -> bytes:
    """The UPDATE of these attributes; MP_REACH_NLRI goes first (RFC 7606 section 5.1)."""
    ordered = sorted(attributes, key=lambda a: a.code not in {MP_REACH, MP_UNREACH})
    packed = b"".join(attribute.packed() for attribute in ordered) + tail
    return frame(UPDATE, b"\0\0" + struct.pack("!H", len(packed)) + packed)


class Mutator:
    """Breaks UPDATEs, the same way for the same seed."""

    def __init__(self, seed: int, asn: int) -> None:
        self._random = random.Random(seed)
        self._corpus = corpus(asn)

    def within_attributes(self) -> bytes:
        """An UPDATE whose session RFC 7606 keeps."""
        dice = self._random
        attributes = list(dice.choice(self._corpus))
        attributes += dice.sample(EXTRAS, dice.randint(0, 5))
        tail = b""
        for _ in range(dice.randint(1, 4)):
            # One octet is no attribute; one that claims more than there is, is none either.
            step = dice.randrange(7)
            if step == 6:
                tail = dice.choice((b"\xc0", b"\xc0\x08", b"\xd0\x08\xff\xff", b"\xc0\x08\x40\0"))
                continue
            victims = [n for n, a in enumerate(attributes) if a.code not in {MP_REACH, MP_UNREACH}]
            if not victims:
                break
            self._break(attributes, dice.choice(victims), step)
        while sum(len(a.packed()) for a in attributes) + len(tail) > ROOM:
            attributes.pop()
        return message(attributes, tail)

    def _break(self, attributes: list[Attribute], at: int, step: int) -> None:
        dice = self._random
        old = attributes[at]
        match step:
            case 0:
                attributes[at] = old._replace(value=self._garbled(old.value))
            case 1:
                length = dice.choice((0, 1, 2, 3, 5, len(old.value) + 1, dice.randint(0, 600)))
                value = old.value[:length]
                attributes[at] = old._replace(value=value + dice.randbytes(length - len(value)))
            case 2:
                flip = dice.choice((OPTIONAL, TRANSITIVE, PARTIAL, OPTIONAL | TRANSITIVE, 1))
                if old.code < FIRST_UNKNOWN:  # else it is well-known and unknown: RFC 4271 6.3
                    attributes[at] = old._replace(flags=old.flags ^ flip)
            case 3:
                attributes.insert(dice.randint(0, len(attributes)), old)
            case 4:
                del attributes[at]
            case _:
                value = dice.randbytes(dice.randint(0, 40))
                code = dice.randint(FIRST_UNKNOWN, 255)
                attributes.append(Attribute(OPTIONAL | dice.choice((0, TRANSITIVE)), code, value))

    def anywhere(self) -> bytes:
        """An UPDATE that may be anything, or no UPDATE, in a frame that holds."""
        dice = self._random
        if dice.random() < 0.1:
            return frame(dice.randint(0, 8), dice.randbytes(dice.randint(0, 30)))
        attributes = list(dice.choice(self._corpus)) + dice.sample(EXTRAS, dice.randint(0, 3))
        body = bytearray(message(attributes)[19:])
        match dice.randrange(4):
            case 0:
                body = bytearray(self._garbled(bytes(body)))
            case 1:
                del body[dice.randrange(len(body)) :]
            case 2:
                at = dice.randrange(len(body))
                body[at:at] = dice.randbytes(dice.randint(1, 30))
            case _:
                start = dice.randrange(len(body))
                del body[start : start + dice.randint(1, 20)]
        return frame(UPDATE, bytes(body[: ROOM + 4]))

    def open(self, sound: bytes) -> bytes:
        """An OPEN that may be anything."""
        dice = self._random
        body = bytearray(self._garbled(sound[19:]))
        if dice.random() < 0.3:
            del body[dice.randrange(len(body)) :]
        return frame(OPEN, bytes(body))

    def _garbled(self, value: bytes) -> bytes:
        broken = bytearray(value)
        for _ in range(self._random.randint(1, 4)):
            if broken:
                at = self._random.randrange(len(broken))
                broken[at] = self._random.choice((0, 1, 0x7F, 0x80, 0xFF, broken[at] ^ 1 << at % 8))
        return bytes(broken)
