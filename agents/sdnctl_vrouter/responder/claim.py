"""Which address a guest says that it has: gratuitous ARP, or a neighbour advertisement.

Promise: an address and its MAC only if the port may have them beside its own. The switch has
checked already that the frame may claim what it claims.
"""

from __future__ import annotations

from typing import Final

from sdnctl.types import Ip, Mac, Prefix
from sdnctl_vrouter.responder.guest import Guest

_ETHERNET: Final = 14
_ARP: Final = b"\x08\x06"
_IPV6: Final = b"\x86\xdd"
_ADVERT: Final = 136
_TARGET_LINK_LAYER: Final = b"\2\1"


def claimed(guest: Guest, frame: bytes) -> tuple[Mac, Ip] | None:
    """The MAC and the address that the frame claims; None if it is no claim, or none of its."""
    found = _arp(frame) or _advert(frame)
    if found is None:
        return None
    mac, ip = found
    return found if (mac, Prefix.host(ip)) in guest.port.pairs else None


def _arp(frame: bytes) -> tuple[Mac, Ip] | None:
    """RFC 5227 section 3: sender and target are the same, in a request as in a reply."""
    body = frame[_ETHERNET:]
    if frame[12:14] != _ARP or len(body) < 28 or body[14:18] != body[24:28]:
        return None
    return Mac(body[8:14]), Ip(body[14:18])


def _advert(frame: bytes) -> tuple[Mac, Ip] | None:
    """RFC 4861 section 4.4; the MAC is the option's, or else the frame's."""
    body = frame[_ETHERNET + 40 :]
    if frame[12:14] != _IPV6 or len(body) < 24 or body[0] != _ADVERT:
        return None
    option = body[24:32]
    mac = option[2:8] if len(option) == 8 and option[:2] == _TARGET_LINK_LAYER else frame[6:12]
    return Mac(mac), Ip(body[8:24])
