"""The values of the field: addresses, route distinguishers and targets, encapsulations.

Promise: every value is its own wire form. ``Mac``, ``Ip``, ``RouteDistinguisher`` and
``RouteTarget`` are ``bytes`` in network order, so they hash, compare and go into a packet
without conversion, and differ in type so that mypy keeps them apart. ``parse`` reads the
usual text form, ``str()`` writes it.

Knows nothing of the rest of the house; imports the standard library only.
"""

from __future__ import annotations

import enum
import functools
import ipaddress
import socket
import string
import struct
from typing import Final, NamedTuple, NewType, Self

Vni = NewType("Vni", int)
"""VXLAN network identifier, 24 bits (RFC 7348 section 5)."""

Label = NewType("Label", int)
"""MPLS label, 20 bits; 0..15 are reserved (RFC 3032 section 2.1)."""

MAX_VNI: Final = (1 << 24) - 1
MIN_LABEL: Final = 16
MAX_LABEL: Final = (1 << 20) - 1
IPV4_BYTES: Final = 4
IPV6_BYTES: Final = 16
MAC_BYTES: Final = 6

_HEX_DIGITS: Final = frozenset(string.hexdigits)


class Encapsulation(enum.IntEnum):
    """Tunnel types of the encapsulation extended community (RFC 9012 section 11, IANA)."""

    MPLS_GRE = 2
    VXLAN = 8
    MPLS_UDP = 13

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``vxlan``, ``mpls-gre`` or ``mpls-udp``; ValueError otherwise."""
        try:
            return cls[text.replace("-", "_").upper()]
        except KeyError:
            names = ", ".join(str(e) for e in cls)
            raise ValueError(f"{text!r} is not an encapsulation ({names})") from None

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


class Mac(bytes):
    """A 48-bit MAC address, 6 bytes."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``fa:16:3e:00:00:01`` (or with dashes); ValueError otherwise."""
        parts = text.replace("-", ":").split(":")
        if len(parts) != MAC_BYTES or not all(
            1 <= len(part) <= 2 and set(part) <= _HEX_DIGITS for part in parts
        ):
            raise ValueError(f"{text!r} is not a MAC address")
        return cls(int(p, 16) for p in parts)

    @property
    def is_multicast(self) -> bool:
        """The group bit (IEEE 802-2014 section 8.2); broadcast included."""
        return bool(self[0] & 1)

    def __str__(self) -> str:
        return self.hex(":")

    def __repr__(self) -> str:
        return f"Mac({self})"


class Ip(bytes):
    """An IPv4 (4 bytes) or IPv6 (16 bytes) address."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form of either family; ValueError otherwise (no zone, no prefix)."""
        try:
            return cls(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text))
        except (OSError, ValueError, UnicodeError):
            raise ValueError(f"{text!r} is not an IP address") from None

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self) == IPV4_BYTES else 6

    @property
    def bits(self) -> int:
        """32 or 128."""
        return len(self) * 8

    @property
    def number(self) -> int:
        """The address as an unsigned integer."""
        return int.from_bytes(self, "big")

    @classmethod
    def from_number(cls, number: int, version: int) -> Self:
        """The inverse of ``number``."""
        return cls(number.to_bytes(IPV4_BYTES if version == 4 else IPV6_BYTES, "big"))

    def __str__(self) -> str:
        return socket.inet_ntop(
            socket.AF_INET if len(self) == IPV4_BYTES else socket.AF_INET6, self
        )

    def __repr__(self) -> str:
        return f"Ip({self})"


class Prefix(NamedTuple):
    """An IP prefix in canonical form: no bit set past ``length``."""

    ip: Ip
    length: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``10.0.0.0/24``; ValueError if malformed or if host bits are set."""
        net = ipaddress.ip_network(text, strict=True)
        return cls(Ip(net.network_address.packed), net.prefixlen)

    @classmethod
    def host(cls, ip: Ip) -> Self:
        """The /32 or /128 of one address."""
        return cls(ip, ip.bits)

    @classmethod
    def covering(cls, ip: Ip, length: int) -> Self:
        """The prefix of that length that ``ip`` lies in."""
        shift = ip.bits - length
        return cls(Ip.from_number(ip.number >> shift << shift, ip.version), length)

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.ip.version

    def __contains__(self, ip: object) -> bool:
        if not isinstance(ip, Ip) or len(ip) != len(self.ip):
            return False
        return (ip.number ^ self.ip.number) >> (self.ip.bits - self.length) == 0

    def __str__(self) -> str:
        return f"{self.ip}/{self.length}"

    def __repr__(self) -> str:
        return f"Prefix({self})"


def overlap(a: Prefix, b: Prefix) -> bool:
    """Whether one of two prefixes lies in the other."""
    return a.ip in b or b.ip in a


class RouteDistinguisher(bytes):
    """A route distinguisher, 8 bytes (RFC 4364 section 4.2)."""

    __slots__ = ()

    @classmethod
    @functools.lru_cache(maxsize=1 << 16)
    def of(cls, ip: Ip, number: int) -> Self:
        """Type 1: IPv4 address : 16-bit number. ValueError if either does not fit."""
        if ip.version != 4 or not 0 <= number <= 0xFFFF:
            raise ValueError(f"{ip}:{number} does not fit a type 1 route distinguisher")
        return cls(b"\0\1" + ip + struct.pack("!H", number))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``192.0.2.1:7`` (type 1), ``64512:7`` (type 0) or ``4200000000:7`` (type 2)."""
        return cls(_parse_administrator(text, "route distinguisher"))

    def __str__(self) -> str:
        return _format_administrator(self[1], self[2:])

    def __repr__(self) -> str:
        return f"RouteDistinguisher({self})"


class RouteTarget(bytes):
    """A route target extended community, 8 bytes (RFC 4360 section 4)."""

    __slots__ = ()

    @classmethod
    def of(cls, asn: int, number: int) -> Self:
        """ASN : number, two- or four-octet AS as the AS needs (RFC 4360, RFC 5668)."""
        return cls.parse(f"{asn}:{number}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``64512:100``, ``192.0.2.1:100`` or ``4200000000:100``."""
        packed = _parse_administrator(text, "route target")
        return cls(bytes((packed[1], 0x02)) + packed[2:])

    def __str__(self) -> str:
        return _format_administrator(self[0], self[2:])

    def __repr__(self) -> str:
        return f"RouteTarget({self})"


_COMMUNITIES: Final = {
    "no-export": 0xFFFFFF01,
    "no-advertise": 0xFFFFFF02,
    "no-export-subconfed": 0xFFFFFF03,
    "graceful-shutdown": 0xFFFF0000,  # RFC 8326
    "llgr-stale": 0xFFFF0006,  # RFC 9494
    "no-llgr": 0xFFFF0007,
}
"""The well-known ones of RFC 1997, and those of other documents that routers know by name."""

_COMMUNITY_NAMES: Final = {number: name for name, number in _COMMUNITIES.items()}


def parse_community(text: str) -> int:
    """Read a community (RFC 1997): ``64512:100`` or a well-known name; ValueError otherwise."""
    if text in _COMMUNITIES:
        return _COMMUNITIES[text]
    parts = text.split(":")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 6]
    if len(parts) != 2 or len(numbers) != 2 or max(numbers) > 0xFFFF:
        names = ", ".join(_COMMUNITIES)
        raise ValueError(f"{text!r} is not a community (ASN:number of 16 bits each, {names})")
    return numbers[0] << 16 | numbers[1]


def format_community(number: int) -> str:
    """The inverse of ``parse_community``."""
    return _COMMUNITY_NAMES.get(number) or f"{number >> 16}:{number & 0xFFFF}"


def _parse_administrator(text: str, what: str) -> bytes:
    """Two bytes of type (0, 1 or 2) and six of value, from ``administrator:number``."""
    left, colon, right = text.rpartition(":")
    try:
        if not colon or not right.isdigit():
            raise ValueError(text)
        number = int(right)
        if "." in left:
            return struct.pack("!H4sH", 1, Ip.parse(left), number)
        if not left.isdigit():
            raise ValueError(text)
        asn = int(left)
        if asn <= 0xFFFF:
            return struct.pack("!HHI", 0, asn, number)
        return struct.pack("!HIH", 2, asn, number)
    except (ValueError, struct.error):
        raise ValueError(f"{text!r} is not a {what}") from None


def _format_administrator(kind: int, value: bytes) -> str:
    match kind:
        case 0:
            asn, number = struct.unpack("!HI", value)
            return f"{asn}:{number}"
        case 1:
            return f"{Ip(value[:4])}:{int.from_bytes(value[4:], 'big')}"
        case 2:
            asn, number = struct.unpack("!IH", value)
            return f"{asn}:{number}"
        case _:
            return f"{kind}:{value.hex()}"
