"""Names that a host has for its ports: addresses that no network has.

IPv4 out of 240.0.0.0/4, which is reserved (RFC 1112 section 4), which Linux takes as unicast and
which nobody routes: 12 bits for which of the port's addresses it is, 16 for the OpenFlow port.
IPv6 out of a ULA prefix of our own (RFC 4193): the OpenFlow port in the last 16 bits of a /64,
behind which the guest's interface identifier stays as it is.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sdnctl.types import Ip

HOST_4: Final = Ip.parse("240.0.255.254")
"""The agent's; an OpenFlow port of that number is the bridge itself."""

HOST_6: Final = Ip.parse("fd53:444e:0:fffe::1")

_BASE_4: Final = 240 << 24
_BASE_6: Final = 0xFD53444E << 32


class Asker(NamedTuple):
    """An OpenFlow port, and which of its port's IPv4 addresses; -1 for IPv6."""

    ofport: int
    place: int


def name_4(ofport: int, index: int) -> Ip:
    """The host's name for an address of a port, by its place among the IPv4 addresses."""
    return Ip.from_number(_BASE_4 | (index & 0xFFF) << 16 | ofport & 0xFFFF, 4)


def prefix_6(ofport: int) -> int:
    """The upper half of the host's names for a port."""
    return _BASE_6 | ofport & 0xFFFF


def asker(ip: Ip) -> Asker | None:
    """The inverse of both."""
    if ip.version == 4 and ip[0] >= 240:
        return Asker(ip.number & 0xFFFF, ip.number >> 16 & 0xFFF)
    if ip.version == 6 and ip.number >> 80 == _BASE_6 >> 16:
        return Asker(ip.number >> 64 & 0xFFFF, -1)
    return None
